//! Breaks the rules that the bindings cannot break, with the bare intrinsics of the component
//! model; the model says which.

use std::alloc::{alloc_zeroed, handle_alloc_error};

use vale_test_guests::bindings::exports::valechat::provider::provider::Guest;
use vale_test_guests::bindings::wit_future::FuturePayload;
use vale_test_guests::bindings::wit_stream;
use vale_test_guests::{
    Answer, End, Error, Event, FutureReader, Model, ProviderInfo, Request, StreamWriter, finished,
};

struct Exported;

impl Guest for Exported {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            display_name: "raw".to_owned(),
            homepage: None,
            extras: Vec::new(),
        }
    }

    async fn list_models() -> Result<Vec<Model>, Error> {
        Ok(Vec::new())
    }

    async fn complete(request: Request) -> Answer {
        let (events, events_reader) = wit_stream::new();
        let (end, end_reader) = RawEnd::new();
        if request.model == "returns-twice" {
            // The bindings return for a second time what is returned here.
            return_raw(events_reader.handle(), end_reader.handle_of_reader());
        } else {
            wit_bindgen::spawn_local(answer(request.model, events, end));
        }
        Ok((events_reader, end_reader.0))
    }
}

async fn answer(misdeed: String, mut events: StreamWriter<Event>, end: RawEnd) {
    // Once this is read, the host reads the other end of the terminal value as well.
    let text = vec![Event::Text("before the breach".to_owned())];
    drop(events.write_all(text).await);
    match misdeed.as_str() {
        "ends-twice" => {
            end.write();
            end.write();
        }
        "drops-the-end-unwritten" => end.drop_writable(),
        other => panic!("unknown misdeed {other}"),
    }
    // Held to the last: nothing may end the answer but the misdeed.
    drop(events);
}

/// The writing end of the terminal value, as a bare handle.
struct RawEnd(u32);

/// The reading end, and its handle.
struct RawReader(FutureReader<End>, u32);

impl RawReader {
    fn handle_of_reader(&self) -> u32 {
        self.1
    }
}

#[expect(unsafe_code, reason = "the bindings cannot break these rules")]
impl RawEnd {
    fn new() -> (Self, RawReader) {
        let vtable = <End as FuturePayload>::VTABLE;
        // SAFETY: the intrinsic gives two handles that nobody else has: the reader's in the low
        // half, the writer's in the high half.
        let handles = unsafe { (vtable.new)() };
        let reader = (handles & u64::from(u32::MAX)) as u32;
        let writer = (handles >> 32) as u32;
        // SAFETY: the handle is a reader's, of this type.
        let owned = unsafe { FutureReader::new(reader, vtable) };
        (Self(writer), RawReader(owned, reader))
    }

    fn write(&self) {
        let vtable = <End as FuturePayload>::VTABLE;
        // SAFETY: the buffer has the layout of the type, is filled before it is handed over, and
        // is never freed.
        unsafe {
            let buffer = alloc_zeroed(vtable.layout);
            if buffer.is_null() {
                handle_alloc_error(vtable.layout);
            }
            (vtable.lower)(Ok(finished(None)), buffer);
            (vtable.start_write)(self.0, buffer);
        }
    }

    fn drop_writable(&self) {
        let vtable = <End as FuturePayload>::VTABLE;
        // SAFETY: the handle is ours; that it was not written is what the host must bear.
        unsafe { (vtable.drop_writable)(self.0) }
    }
}

/// `result<tuple<stream, future>, error>` in memory: `error` is aligned to 8 bytes.
#[repr(C, align(8))]
struct Returned {
    is_error: u64,
    events: u32,
    end: u32,
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the bindings cannot break this rule")]
fn return_raw(events: u32, end: u32) {
    #[link(wasm_import_module = "[export]valechat:provider/provider@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[task-return]complete"]
        fn task_return(result: *const Returned);
    }
    let returned = Returned {
        is_error: 0,
        events,
        end,
    };
    // SAFETY: a whole result, which the host copies before it returns.
    unsafe { task_return(&raw const returned) }
}

#[cfg(not(target_arch = "wasm32"))]
fn return_raw(_events: u32, _end: u32) {}

vale_test_guests::bindings::export!(Exported with_types_in vale_test_guests::bindings);
