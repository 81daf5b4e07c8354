//! The rules of the contract that the host enforces whatever a guest does, as a pure machine.
//!
//! Events until the stream closes, then exactly one terminal value; tool-call indexes that were
//! announced; a token total that never shrinks; caps on events and their bytes.

use std::collections::HashMap;

use vale_types::{Error, Event, Extra, Fault, FaultClass, Finish, Limits, Usage};

/// Where a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallState {
    Open,
    Ended,
}

/// The state of one answer.
#[derive(Debug)]
pub(crate) struct Protocol {
    max_events: u64,
    max_bytes: u64,
    events: u64,
    bytes: u64,
    tokens: u64,
    calls: HashMap<u32, CallState>,
    finished: bool,
}

impl Protocol {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            max_events: limits.events,
            max_bytes: limits.event_bytes,
            events: 0,
            bytes: 0,
            tokens: 0,
            calls: HashMap::new(),
            finished: false,
        }
    }

    /// Judges the next event.
    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Fault> {
        if self.finished {
            return Err(broken("it sent an event after its terminal value"));
        }
        self.events = self.events.saturating_add(1);
        if self.events > self.max_events {
            return Err(Fault::new(
                FaultClass::EventFlood,
                format!(
                    "it sent more than {} events (limit events)",
                    self.max_events
                ),
            ));
        }
        self.charge(size_of_event(event))?;
        self.judge(event)
    }

    /// Counts a guest's bytes.
    fn charge(&mut self, bytes: u64) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.max_bytes {
            return Err(Fault::new(
                FaultClass::EventFlood,
                format!(
                    "it sent more than {} bytes of events (limit event_bytes)",
                    self.max_bytes
                ),
            ));
        }
        Ok(())
    }

    fn judge(&mut self, event: &Event) -> Result<(), Fault> {
        match event {
            Event::ToolCallStart(start) => {
                if self.calls.insert(start.index, CallState::Open).is_some() {
                    return Err(broken(&format!("it began tool call {} twice", start.index)));
                }
                Ok(())
            }
            Event::ToolCallDelta(delta) => self.open_call(delta.index).map(|_| ()),
            Event::ToolCallEnd(end) => {
                *self.open_call(end.index)? = CallState::Ended;
                Ok(())
            }
            Event::Usage(usage) => self.usage(usage),
            _ => Ok(()),
        }
    }

    /// Judges the terminal value of an answer that went well.
    pub(crate) fn finish(&mut self, finish: &Finish) -> Result<(), Fault> {
        self.terminal(size_of_finish(finish))?;
        if let Some(usage) = &finish.usage {
            self.usage(usage)?;
        }
        match self
            .calls
            .iter()
            .find(|(_, state)| **state == CallState::Open)
        {
            Some((index, _)) => Err(broken(&format!(
                "it finished without ending tool call {index}"
            ))),
            None => Ok(()),
        }
    }

    /// Judges the terminal value of an answer that failed upstream.
    pub(crate) fn error(&mut self, error: &Error) -> Result<(), Fault> {
        self.terminal(error.message.len() + size_of_extras(&error.extras))
    }

    fn terminal(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.finished {
            return Err(broken("it sent a second terminal value"));
        }
        self.finished = true;
        self.charge(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn open_call(&mut self, index: u32) -> Result<&mut CallState, Fault> {
        match self.calls.get_mut(&index) {
            Some(CallState::Ended) => Err(broken(&format!(
                "it went on with tool call {index} after its end"
            ))),
            Some(state) => Ok(state),
            None => Err(broken(&format!(
                "it spoke of tool call {index}, which it never began"
            ))),
        }
    }

    fn usage(&mut self, usage: &Usage) -> Result<(), Fault> {
        let total = usage.total();
        if total < self.tokens {
            return Err(broken(&format!(
                "its token total shrank from {} to {total}",
                self.tokens
            )));
        }
        self.tokens = total;
        Ok(())
    }
}

fn broken(what: &str) -> Fault {
    Fault::new(FaultClass::Protocol, what)
}

/// Bytes of a guest's text in an event, wherever it is put, plus a constant for each part.
fn size_of_event(event: &Event) -> u64 {
    const OVERHEAD: usize = 16;
    let text = match event {
        Event::Text(text) | Event::Thinking(text) | Event::RedactedThinking(text) => text.len(),
        Event::ToolCallStart(start) => {
            start.id.len() + start.name.len() + size_of_extras(&start.extras)
        }
        Event::ToolCallDelta(delta) => delta.arguments_json.len(),
        Event::ToolCallEnd(end) => size_of(&end.signature) + size_of_extras(&end.extras),
        Event::ThinkingEnd(end) => {
            size_of(&end.id) + size_of(&end.signature) + size_of_extras(&end.extras)
        }
        Event::Usage(usage) => size_of_usage(usage),
        Event::Other(extra) => size_of_extra(extra),
        Event::Started(started) => {
            size_of(&started.response_id)
                + size_of(&started.model)
                + size_of_extras(&started.extras)
        }
        Event::Ping => 0,
    };
    u64::try_from(text.saturating_add(OVERHEAD)).unwrap_or(u64::MAX)
}

fn size_of_finish(finish: &Finish) -> usize {
    finish.usage.as_ref().map_or(0, size_of_usage)
        + size_of(&finish.response_id)
        + size_of(&finish.model)
        + size_of_extras(&finish.extras)
}

fn size_of_usage(usage: &Usage) -> usize {
    let uses = usage.uses.iter().map(|(name, _)| name.len() + 16);
    let cost = usage.reported_cost.as_ref();
    uses.sum::<usize>()
        + cost.map_or(0, |money| money.currency.len())
        + size_of(&usage.service_tier)
        + size_of(&usage.raw_json)
        + size_of_extras(&usage.extras)
}

fn size_of(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn size_of_extra(extra: &Extra) -> usize {
    extra.name.len() + extra.json.len() + 16
}

fn size_of_extras(extras: &[Extra]) -> usize {
    extras.iter().map(size_of_extra).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vale_types::{CallDelta, CallEnd, CallStart, ErrorKind, FinishReason};

    fn start(index: u32) -> Event {
        Event::ToolCallStart(CallStart {
            index,
            id: "c".into(),
            name: "n".into(),
            extras: vec![],
        })
    }
    fn delta(index: u32) -> Event {
        Event::ToolCallDelta(CallDelta {
            index,
            arguments_json: "{".into(),
        })
    }
    fn end(index: u32) -> Event {
        Event::ToolCallEnd(CallEnd {
            index,
            signature: None,
            extras: vec![],
        })
    }
    fn usage(input: u64, output: u64) -> Event {
        Event::Usage(Usage {
            input: Some(input),
            output: Some(output),
            ..Usage::default()
        })
    }
    fn finish() -> Finish {
        Finish {
            reason: FinishReason::Stop,
            usage: None,
            response_id: None,
            model: None,
            extras: vec![],
        }
    }

    /// Runs the events, then a good finish; the first fault's class, if any.
    fn run(events: &[Event]) -> Option<(FaultClass, String)> {
        let limits = Limits {
            events: 100,
            event_bytes: 10_000,
            ..Limits::default()
        };
        let mut protocol = Protocol::new(&limits);
        events
            .iter()
            .try_for_each(|event| protocol.event(event))
            .and_then(|()| protocol.finish(&finish()))
            .err()
            .map(|fault| (fault.class, fault.detail))
    }

    #[test]
    fn a_whole_answer_passes() {
        let text = Event::Text("hello".into());
        assert_eq!(
            run(&[
                text,
                start(3),
                delta(3),
                end(3),
                start(0),
                end(0),
                usage(5, 1)
            ]),
            None
        );
    }

    #[test]
    fn buckets_may_shift_but_the_total_never_shrinks() {
        assert_eq!(run(&[usage(10, 0), usage(4, 6)]), None);
        assert!(run(&[usage(10, 0), usage(4, 5)]).is_some());
    }

    #[test]
    fn each_broken_rule_is_named() {
        let flood: Vec<Event> = std::iter::repeat_n(Event::Ping, 101).collect();
        let table = [
            (vec![delta(1)], FaultClass::Protocol, "never began"),
            (vec![end(1)], FaultClass::Protocol, "never began"),
            (vec![start(1), start(1)], FaultClass::Protocol, "twice"),
            (
                vec![start(1), end(1), delta(1)],
                FaultClass::Protocol,
                "after its end",
            ),
            (vec![start(1)], FaultClass::Protocol, "without ending"),
            (flood, FaultClass::EventFlood, "100 events"),
            (
                vec![Event::Text("x".repeat(10_000))],
                FaultClass::EventFlood,
                "10000 bytes",
            ),
        ];
        for (events, class, words) in table {
            let (found, detail) = run(&events).expect(words);
            assert_eq!(found, class, "{detail}");
            assert!(detail.contains(words), "{detail}");
        }
    }

    #[test]
    fn nothing_comes_after_the_terminal_value() {
        let mut protocol = Protocol::new(&Limits::default());
        protocol.finish(&finish()).unwrap();
        assert_eq!(
            protocol.event(&Event::Ping).unwrap_err().class,
            FaultClass::Protocol
        );
        assert_eq!(
            protocol
                .error(&Error::new(ErrorKind::Internal, "x"))
                .unwrap_err()
                .class,
            FaultClass::Protocol
        );
    }

    #[test]
    fn the_last_usage_counts_in_the_finish_too() {
        let mut protocol = Protocol::new(&Limits::default());
        protocol.event(&usage(10, 10)).unwrap();
        let less = Finish {
            usage: Some(Usage {
                output: Some(3),
                ..Usage::default()
            }),
            ..finish()
        };
        assert!(protocol.finish(&less).is_err());
    }
}
