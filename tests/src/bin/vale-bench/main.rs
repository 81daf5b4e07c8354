//! The benchmarks of design.md §8 that this stage can measure, each beside a plain reqwest client
//! in the same run. `cargo xtask bench` builds it in release and runs it.

#![expect(clippy::print_stdout, reason = "a program whose output is its result")]

mod direct;
mod litellm;
mod load;
mod measure;
mod ours;
mod report;
mod tools;
mod upstream;

use std::env;
use std::error::Error;

use report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    if env::args().nth(1).as_deref() == Some(upstream::ARGUMENT) {
        return upstream::serve().await;
    }
    let upstream = upstream::Process::start()?;
    let mut report = Report::new();
    println!("measuring; this takes a minute or two");

    // First: what later measurements leave in the allocator is not the host's.
    measure::memory(&mut report).await?;
    measure::first_event(&upstream, &mut report).await?;
    measure::throughput(&upstream, &mut report, 1, 20_000).await?;
    measure::throughput(&upstream, &mut report, 50, 200_000).await?;
    measure::cancel(&upstream, &mut report).await?;
    load::slow_stream(&upstream, &mut report).await?;
    load::many_streams(&upstream, &mut report).await?;
    load::hops(&upstream, &mut report).await?;
    tools::call(&mut report).await?;
    tools::many(&mut report).await?;
    litellm::beside(&upstream, &mut report).await?;
    measure::load(&mut report).await?;
    measure::start(&mut report)?;

    println!("{}", report.table());
    let kept = report.keep()?;
    println!("kept in {}", kept.display());
    Ok(())
}
