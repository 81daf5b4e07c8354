//! The Responses API: OpenAI's newer wire, with sealed reasoning that goes back as it came.

mod failure;
mod items;
mod mapper;
mod outputs;
mod request;
mod usage;

pub(crate) use mapper::ResponsesMapper;
pub(crate) use request::body;
