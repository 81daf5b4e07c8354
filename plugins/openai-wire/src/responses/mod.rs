//! The Responses API: OpenAI's newer wire, with sealed reasoning that goes back as it came.

mod items;
mod mapper;
mod request;
mod usage;

pub(crate) use mapper::ResponsesMapper;
pub(crate) use request::body;
