//! The chat template of a model: a conversation in, the text of the prompt out.

use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::tokenizer::Tokenizer;

/// The template for models that bring none: ChatML.
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Steps after which a template is stopped. A 200-message conversation takes about 10,000.
const FUEL: u64 = 20_000_000;

/// One message as templates expect it: at least `role` and `content`, texts already guarded.
pub(crate) type TemplateMessage = serde_json::Map<String, serde_json::Value>;

/// A compiled chat template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles `source`, or ChatML where the model has none.
    ///
    /// # Errors
    /// A sentence with the template's own error.
    pub(crate) fn new(source: Option<&str>) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment
            .add_template_owned("chat", source.unwrap_or(CHATML).to_owned())
            .map_err(|error| format!("its chat template does not compile: {error:#}"))?;
        Ok(Self { environment })
    }

    /// Writes the conversation out, ending where the assistant is to speak.
    ///
    /// # Errors
    /// A sentence: what the template refused (some insist on alternating roles), or its error.
    pub(crate) fn render(
        &self,
        messages: &[TemplateMessage],
        tokenizer: &Tokenizer,
    ) -> Result<String, String> {
        self.environment
            .get_template("chat")
            .and_then(|template| {
                template.render(context! {
                    messages => messages,
                    add_generation_prompt => true,
                    bos_token => tokenizer.bos_text(),
                    eos_token => tokenizer.eos_text(),
                })
            })
            .map_err(|error| match error.detail() {
                Some(detail) => format!("The model's chat template refused the messages: {detail}"),
                None => format!("The model's chat template refused the messages: {error}"),
            })
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Today's date (UTC) in the handful of `strftime` fields that chat templates use.
fn strftime_now(format: String) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    strftime(&format, now)
}

fn strftime(format: &str, unix_seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|index| MONTHS.get(index).copied())
        .unwrap_or_default();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(&format!("{year:04}")),
            Some('m') => out.push_str(&format!("{month:02}")),
            Some('d') => out.push_str(&format!("{day:02}")),
            Some('B') => out.push_str(name),
            Some('b') => out.push_str(name.get(..3).unwrap_or_default()),
            Some('H') => out.push_str(&format!("{:02}", seconds / 3600)),
            Some('M') => out.push_str(&format!("{:02}", seconds / 60 % 60)),
            Some('S') => out.push_str(&format!("{:02}", seconds % 60)),
            Some('%') | None => out.push('%'),
            Some(other) => out.extend(['%', other]),
        }
    }
    out
}

/// Year, month and day of a day since 1970-01-01: whole 400-, 100-, 4- and 1-year cycles counted
/// from 1 March of year 0, so that the leap day is the last of a cycle.
fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    const EPOCH_FROM_MARCH_0: u64 = 719_468;
    let days = days_since_epoch + EPOCH_FROM_MARCH_0;
    let (era, day) = (days / 146_097, days % 146_097);
    let century = (day / 36_524).min(3);
    let day = day - century * 36_524;
    let (fours, day) = (day / 1_461, day % 1_461);
    let single = (day / 365).min(3);
    let day = day - single * 365;
    let year = era * 400 + century * 100 + fours * 4 + single;
    // Months from March on have 31 30 31 30 31 days, twice: 153 days in five months.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn message(role: &str, content: &str) -> TemplateMessage {
        [("role", role), ("content", content)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect()
    }

    fn smollm() -> ChatTemplate {
        ChatTemplate::new(testing::gguf().text("tokenizer.chat_template")).unwrap()
    }

    #[test]
    fn a_plain_question_renders_as_the_model_was_trained_and_has_42_tokens() {
        let question = "Write a short story about a lighthouse keeper and the sea.";
        let text = smollm()
            .render(&[message("user", question)], testing::tokenizer())
            .unwrap();
        assert_eq!(
            text,
            format!(
                "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
            )
        );
        let ids = testing::tokenizer()
            .encode_prompt(&text, '\u{FDD0}')
            .unwrap();
        assert_eq!(ids.len(), 42);
    }

    #[test]
    fn a_system_message_replaces_the_built_in_one() {
        let messages = [message("system", "Be brief."), message("user", "Hi")];
        let text = smollm().render(&messages, testing::tokenizer()).unwrap();
        assert!(text.starts_with("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi"));
    }

    #[test]
    fn a_model_without_a_template_gets_chatml() {
        let text = ChatTemplate::new(None)
            .unwrap()
            .render(&[message("user", "Hi")], testing::tokenizer())
            .unwrap();
        assert_eq!(
            text,
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn python_methods_work_and_a_refusal_is_a_sentence() {
        let source = "{% if messages[0].content.startswith('no') %}{{ raise_exception('Roles must alternate') }}{% endif %}{{ messages[0].content.strip().upper() }}{{ bos_token }}";
        let template = ChatTemplate::new(Some(source)).unwrap();
        let tokenizer = testing::tokenizer();
        let text = template.render(&[message("user", " yes ")], tokenizer);
        assert_eq!(text.unwrap(), "YES<|im_start|>");
        let refusal = template.render(&[message("user", "no")], tokenizer);
        assert!(refusal.unwrap_err().ends_with("Roles must alternate"));
    }

    #[test]
    fn an_endless_template_is_stopped() {
        let source =
            "{% for a in range(10000) %}{% for b in range(10000) %}{{ b }}{% endfor %}{% endfor %}";
        let template = ChatTemplate::new(Some(source)).unwrap();
        template.render(&[], testing::tokenizer()).unwrap_err();
    }

    #[test]
    fn dates_are_right_on_leap_days_and_turns_of_the_year() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_799, "2000-02-29 23:59:59"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(strftime("%Y-%m-%d %H:%M:%S", seconds), date);
        }
        assert_eq!(
            strftime("%d %b %Y, %B 100%%", 951_782_400),
            "29 Feb 2000, February 100%"
        );
    }
}
