//! `kv` and `blobs` at their caps.

use std::sync::Arc;

use vale_sandbox::{CallContext, KvError, KvStore};
use vale_types::{Failure, Limits, Media, ResultPart};

use crate::support::{Attachments, Kept, call, context, engine, limits, load, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_fills_its_state_is_told_that_it_is_full_and_keeps_what_it_had() {
    let bad = load(&engine(), "bad_tool").await;
    let kept = Kept::up_to(100_000);
    let context = CallContext {
        kv: Arc::clone(&kept) as _,
        ..context()
    };
    let result = bad.invoke(context, &call("fills-kv", &[])).await.unwrap();
    assert_eq!(text(&result), "99 Error::Full");
    assert_eq!(kept.values().len(), 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_changes_its_state_ten_thousand_times_at_most() {
    let bad = load(&engine(), "bad_tool").await;
    let kept = Kept::up_to(usize::MAX);
    let context = CallContext {
        kv: Arc::clone(&kept) as _,
        limits: Limits {
            cpu_ms: 60_000,
            ..limits()
        },
        ..context()
    };
    let result = bad.invoke(context, &call("fills-kv", &[])).await.unwrap();
    assert_eq!(text(&result), "10000 Error::Full");
    assert_eq!(kept.values().len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_keys_have_caps_that_hold_whatever_the_store_takes() {
    let bad = load(&engine(), "bad_tool").await;
    let kept = Kept::up_to(usize::MAX);
    let context = CallContext {
        kv: Arc::clone(&kept) as _,
        ..context()
    };
    let result = bad.invoke(context, &call("large-kv", &[])).await.unwrap();
    assert_eq!(text(&result), "kept too-large kept too-large other false");
    assert_eq!(kept.values().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_odd_unicode_stay_themselves_and_are_listed_in_byte_order() {
    let bad = load(&engine(), "bad_tool").await;
    let kept = Kept::up_to(usize::MAX);
    let context = CallContext {
        kv: Arc::clone(&kept) as _,
        ..context()
    };
    let result = bad.invoke(context, &call("odd-keys", &[])).await.unwrap();
    assert_eq!(text(&result), "same");
    assert_eq!(kept.values().len(), 10);
}

/// Lists whatever it likes, in any order.
struct Careless;

impl KvStore for Careless {
    fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, String> {
        Err("the disk is gone".to_owned())
    }

    fn set(&self, _key: &str, _value: &[u8]) -> Result<(), KvError> {
        Ok(())
    }

    fn delete(&self, _key: &str) -> Result<(), String> {
        Ok(())
    }

    fn list(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, String> {
        let mut keys: Vec<_> = (0..20).rev().map(|n| format!("k{n:02}")).collect();
        keys.push("other".to_owned());
        Ok(keys)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_has_the_contracts_order_and_bounds_whoever_keeps_the_keys() {
    let tool = load(&engine(), "tool").await;
    let context = CallContext {
        kv: Arc::new(Careless),
        ..context()
    };
    let result = tool
        .invoke(context, &call("keys", &[("key", "k")]))
        .await
        .unwrap();
    assert_eq!(text(&result), "k00,k01,k02,k03,k04,k05,k06,k07,k08,k09");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_is_the_hosts_failure_and_not_the_plugins() {
    let tool = load(&engine(), "tool").await;
    let context = CallContext {
        kv: Arc::new(Careless),
        ..context()
    };
    let failed = tool.invoke(context, &call("count", &[("key", "x")])).await;
    match failed {
        Err(Failure::Error(error)) => {
            assert!(error.message.contains("the disk is gone"), "{error}");
            assert_eq!(error.retryable, Some(true));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_count_against_the_cap_on_output() {
    let bad = load(&engine(), "bad_tool").await;
    let attachments = Attachments::new(&[], &[]);
    let context = CallContext {
        blobs: Arc::clone(&attachments) as _,
        ..context()
    };
    let result = bad
        .invoke(context, &call("fills-blobs", &[]))
        .await
        .unwrap();
    // 1 MiB of 100,000 bytes each.
    assert_eq!(text(&result), "10 Error::TooLarge");
    assert_eq!(attachments.count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tool_says_of_an_attachment_is_replaced_by_what_the_host_knows() {
    let bad = load(&engine(), "bad_tool").await;
    let context = CallContext {
        blobs: Attachments::new(&[], &[]),
        ..context()
    };
    let result = bad
        .invoke(context, &call("lies-about-a-blob", &[]))
        .await
        .unwrap();
    let [ResultPart::File(Media::Blob(blob))] = result.content.as_slice() else {
        panic!("{result:?}");
    };
    assert_eq!(blob.size, 4);
    assert_eq!(blob.media_type, "text/plain");
    assert_eq!(blob.name, None);
}
