//! Conversation content for another provider than the one that made it.
//!
//! Text, thinking, tool calls, tool results, images and files are the contract's own and go to
//! every provider. What one provider sealed (signatures, encrypted thinking) means nothing to
//! another, and some of them refuse a request that holds a foreign seal.

use vale_billing::catalogue::Capability;
use vale_types::{Message, ModelRef, Part, Request, ResultPart};

use super::step::Loss;

/// Whether a target understands what an origin sealed.
pub(crate) type SameMaker<'a> = &'a dyn Fn(&ModelRef) -> bool;

/// Rewrites a request for its target; says what it could not keep. `same_maker` tells whether an
/// answer's origin seals its thinking as the target does. `can`: whether the target can do
/// something; none = unknown, and then it is sent.
pub(crate) fn convert(
    request: &mut Request,
    same_maker: SameMaker<'_>,
    can: &dyn Fn(Capability) -> Option<bool>,
) -> Vec<Loss> {
    let mut count = Count::default();
    for message in &mut request.messages {
        let foreign = message
            .origin
            .as_ref()
            .is_some_and(|origin| !same_maker(origin));
        let no_images = can(Capability::ImagesIn) == Some(false);
        let no_files = can(Capability::FilesIn) == Some(false);
        one(message, foreign, no_images, no_files, &mut count);
    }
    // Nothing is left of an answer that was all sealed thinking.
    request.messages.retain(|message| !message.parts.is_empty());
    count.losses()
}

#[derive(Default)]
struct Count {
    thinking: usize,
    sealed: usize,
    images: usize,
    files: usize,
}

impl Count {
    fn losses(self) -> Vec<Loss> {
        let rows = [
            (
                "thinking's seal",
                self.thinking,
                "only the provider that made it can check it; who needs one leaves the thinking out",
            ),
            (
                "sealed thinking",
                self.sealed,
                "only the provider that made it can read it",
            ),
            ("image", self.images, "this model does not take images"),
            ("file", self.files, "this model does not take files"),
        ];
        let told = rows.into_iter().filter(|(_, messages, _)| *messages > 0);
        told.map(|(what, messages, why)| Loss {
            what: what.to_owned(),
            messages,
            why: why.to_owned(),
        })
        .collect()
    }
}

fn one(message: &mut Message, foreign: bool, no_images: bool, no_files: bool, count: &mut Count) {
    let mut found = Count::default();
    let parts = std::mem::take(&mut message.parts);
    for mut part in parts {
        match &mut part {
            Part::Thinking(block) if foreign => {
                block.id = None;
                if block.signature.take().is_some() {
                    found.thinking = 1;
                }
                if block.text.is_empty() {
                    continue;
                }
            }
            Part::RedactedThinking(_) if foreign => {
                found.sealed = 1;
                continue;
            }
            Part::ToolCall(call) if foreign => call.signature = None,
            Part::Image(_) if no_images => {
                found.images = 1;
                part = Part::Text(NO_IMAGE.to_owned());
            }
            Part::File(_) if no_files => {
                found.files = 1;
                part = Part::Text(NO_FILE.to_owned());
            }
            Part::ToolResult(result) => {
                for content in &mut result.content {
                    match content {
                        ResultPart::Image(_) if no_images => {
                            found.images = 1;
                            *content = ResultPart::Text(NO_IMAGE.to_owned());
                        }
                        ResultPart::File(_) if no_files => {
                            found.files = 1;
                            *content = ResultPart::Text(NO_FILE.to_owned());
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        message.parts.push(part);
    }
    count.thinking += found.thinking;
    count.sealed += found.sealed;
    count.images += found.images;
    count.files += found.files;
}

/// Stands where an image was, so that the model does not answer as if there had been none.
const NO_IMAGE: &str = "[An image was here; this model does not take images.]";
/// Stands where a file was.
const NO_FILE: &str = "[A file was here; this model does not take files.]";

#[cfg(test)]
mod tests {
    use vale_types::{Blob, Media, Role, Thinking, ToolCall, ToolResult};

    use super::*;

    fn image() -> Media {
        Media::Blob(Blob {
            id: "b".into(),
            media_type: "image/png".into(),
            size: 3,
            name: None,
        })
    }

    fn answer(parts: Vec<Part>) -> Message {
        Message {
            parts,
            origin: Some("anthropic/claude".parse().unwrap()),
            ..Message::text(Role::Assistant, "")
        }
    }

    fn conversation() -> Request {
        Request {
            messages: vec![
                Message {
                    parts: vec![Part::Text("look".into()), Part::Image(image())],
                    ..Message::text(Role::User, "")
                },
                answer(vec![
                    Part::Thinking(Thinking {
                        id: Some("t".into()),
                        text: "hm".into(),
                        signature: Some("seal".into()),
                    }),
                    Part::RedactedThinking("secret".into()),
                    Part::Text("I see".into()),
                    Part::ToolCall(ToolCall {
                        id: "c".into(),
                        name: "zoom".into(),
                        arguments_json: "{}".into(),
                        signature: Some("s".into()),
                    }),
                ]),
                Message {
                    parts: vec![Part::ToolResult(ToolResult {
                        call_id: "c".into(),
                        name: Some("zoom".into()),
                        content: vec![ResultPart::Image(image())],
                        is_error: false,
                        extras: Vec::new(),
                    })],
                    ..Message::text(Role::Tool, "")
                },
                answer(vec![Part::RedactedThinking("only".into())]),
            ],
            ..Request::default()
        }
    }

    #[test]
    fn to_its_own_maker_a_conversation_goes_as_it_is() {
        let mut request = conversation();
        assert_eq!(convert(&mut request, &|_| true, &|_| None), Vec::new());
        assert_eq!(request, conversation());
    }

    #[test]
    fn to_another_maker_everything_goes_but_seals_and_that_is_said() {
        let mut request = conversation();
        let losses = convert(&mut request, &|_| false, &|_| None);
        let told: Vec<_> = losses
            .iter()
            .map(|loss| (loss.what.as_str(), loss.messages))
            .collect();
        assert_eq!(told, [("thinking's seal", 1), ("sealed thinking", 2)]);
        assert_eq!(
            request.messages.len(),
            3,
            "nothing was left of the last one"
        );
        let parts = &request.messages[1].parts;
        assert!(
            matches!(&parts[0], Part::Thinking(block) if block.text == "hm" && block.signature.is_none() && block.id.is_none())
        );
        assert!(matches!(&parts[1], Part::Text(text) if text == "I see"));
        assert!(
            matches!(&parts[2], Part::ToolCall(call) if call.id == "c" && call.signature.is_none())
        );
        assert!(matches!(&request.messages[0].parts[1], Part::Image(_)));
        assert!(
            matches!(&request.messages[2].parts[0], Part::ToolResult(result) if matches!(result.content[0], ResultPart::Image(_)))
        );
    }

    #[test]
    fn a_model_known_to_be_blind_is_told_that_there_was_an_image() {
        let mut request = conversation();
        let losses = convert(&mut request, &|_| true, &|_| Some(false));
        assert_eq!((losses[0].what.as_str(), losses[0].messages), ("image", 2));
        assert!(
            matches!(&request.messages[0].parts[1], Part::Text(text) if text.contains("image"))
        );
    }
}
