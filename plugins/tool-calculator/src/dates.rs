//! Dates of the Gregorian calendar, and moments in UTC. No time zones: which one is meant is the
//! person's to say, and their tables change.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit};
use vale_sdk::tool::{Arguments, Failure};

/// What the tool does, by the word that asks for it.
pub(crate) const OPERATIONS: &[&str] = &["describe", "difference", "add", "to_unix", "from_unix"];
/// Most years, months, weeks or days that are added at once.
pub(crate) const MAX_STEP: i64 = 4_000_000;

type Result<T> = std::result::Result<T, Failure>;

/// Works the call out; `now` is in milliseconds since 1970.
///
/// # Errors
/// A sentence: what cannot be read, or lies outside the years -9999 to 9999.
pub(crate) fn answer(arguments: &Arguments, now: u64) -> Result<String> {
    let now = i64::try_from(now)
        .ok()
        .and_then(|now| Timestamp::from_millisecond(now).ok())
        .map(|now| now.to_zoned_datetime(TimeZone::UTC).datetime())
        .ok_or_else(beyond)?;
    let moment = |name| arguments.text(name).map(|text| Moment::read(text, now));
    let start = moment("date").transpose()?;
    match arguments.need_text("operation")? {
        "describe" => Ok(describe(start.unwrap_or(Moment::today(now)).at.date())),
        "difference" => {
            let end = moment("to").transpose()?.unwrap_or(Moment::today(now));
            difference(start.unwrap_or(Moment::today(now)), end)
        }
        "add" => add(start.unwrap_or(Moment::today(now)), arguments),
        "to_unix" => {
            let at = start.unwrap_or(Moment::now(now)).at;
            let unix = timestamp(at)?.as_second();
            Ok(format!("{} UTC = {unix} seconds of Unix time", shown(at)))
        }
        _ => from_unix(arguments),
    }
}

/// A date, perhaps with a time of day.
#[derive(Clone, Copy)]
struct Moment {
    at: DateTime,
    has_time: bool,
}

impl Moment {
    fn today(now: DateTime) -> Self {
        Self {
            at: now.date().into(),
            has_time: false,
        }
    }

    fn now(now: DateTime) -> Self {
        Self {
            at: now,
            has_time: true,
        }
    }

    /// `today`, `now`, `2024-02-29`, `2024-02-29T12:00[:00][Z | +02:00]`.
    fn read(text: &str, now: DateTime) -> Result<Self> {
        let text = text.trim();
        match text {
            "today" => return Ok(Self::today(now)),
            "now" => return Ok(Self::now(now)),
            _ => {}
        }
        let has_time = text.contains([':', 'T', 't']);
        // An offset is taken into account; without one the time counts as UTC.
        let at = match text.parse::<Timestamp>() {
            Ok(moment) => Ok(moment.to_zoned_datetime(TimeZone::UTC).datetime()),
            Err(_) if has_time => text.parse::<DateTime>(),
            Err(_) => text.parse::<Date>().map(Into::into),
        };
        let at = at.map_err(|_| {
            let text: String = text.chars().take(40).collect();
            Failure::told(format!(
                "“{text}” is no date of the calendar. Dates are written 2024-02-29, times 2024-02-29T12:00:00Z; “today” and “now” are understood too."
            ))
        })?;
        Ok(Self { at, has_time })
    }
}

fn describe(date: Date) -> String {
    let week = date.iso_week_date();
    format!(
        "{date} is a {}, ISO week {}-W{:02}-{}, day {} of {} in {} ({}), in a month of {} days",
        weekday(date),
        week.year(),
        week.week(),
        week.weekday().to_monday_one_offset(),
        date.day_of_year(),
        date.days_in_year(),
        date.year(),
        if date.in_leap_year() {
            "a leap year"
        } else {
            "no leap year"
        },
        date.days_in_month(),
    )
}

fn difference(start: Moment, end: Moment) -> Result<String> {
    let (from, to) = (start.at.date(), end.at.date());
    let days = day_number(to) - day_number(from);
    let span = from.until((Unit::Year, to)).map_err(|_| beyond())?;
    let mut text = format!(
        "From {from} ({}) to {to} ({}): {days} days = {} weeks and {} days = {} years, {} months and {} days. {} business days (Monday to Friday, holidays not known), the first day not counted, the last counted.",
        weekday(from),
        weekday(to),
        days / 7,
        days % 7,
        span.get_years(),
        span.get_months(),
        span.get_days(),
        business_days_between(from, to),
    );
    if start.has_time || end.has_time {
        let seconds = timestamp(end.at)?.as_second() - timestamp(start.at)?.as_second();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        text.push_str(&format!(
            " With the times of day, in UTC: {seconds} seconds = {hours} hours, {minutes} minutes and {} seconds.",
            seconds % 60
        ));
    }
    Ok(text)
}

fn add(start: Moment, arguments: &Arguments) -> Result<String> {
    let step = |name| arguments.integer(name).unwrap_or(0);
    let span = Span::new()
        .try_years(step("years"))
        .and_then(|span| span.try_months(step("months")))
        .and_then(|span| span.try_weeks(step("weeks")))
        .and_then(|span| span.try_days(step("days")))
        .map_err(|_| beyond())?;
    let mut end = start.at.checked_add(span).map_err(|_| beyond())?;
    if let Some(days) = arguments.integer("business_days") {
        let date = add_business_days(end.date(), days)?;
        end = DateTime::from_parts(date, end.time());
    }
    let text = if start.has_time {
        format!("{} UTC, a {}", shown(end), weekday(end.date()))
    } else {
        format!("{}, a {}", end.date(), weekday(end.date()))
    };
    let wanted = i64::from(start.at.day());
    let is_shortened = (step("years") != 0 || step("months") != 0)
        && step("weeks") == 0
        && step("days") == 0
        && arguments.integer("business_days").is_none()
        && i64::from(end.day()) != wanted;
    Ok(if is_shortened {
        format!("{text} (that month has no day {wanted}, so its last day)")
    } else {
        text
    })
}

fn from_unix(arguments: &Arguments) -> Result<String> {
    let seconds = arguments.integer("unix").ok_or_else(|| {
        Failure::told("unix is missing: the seconds of Unix time since 1970-01-01T00:00:00Z.")
    })?;
    let moment = Timestamp::from_second(seconds).map_err(|_| {
        Failure::told(
            "That Unix time lies outside the years -9999 to 9999; unix counts seconds, so a number of milliseconds must be divided by 1000.",
        )
    })?;
    let at = moment.to_zoned_datetime(TimeZone::UTC).datetime();
    Ok(format!("{} UTC, a {}", shown(at), weekday(at.date())))
}

/// Days since Monday, 5 January 1970.
fn day_number(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 5)).as_hours() / 24
}

/// Mondays to Fridays before the day of this number, counted from day 0.
fn weekdays_before(day: i64) -> i64 {
    day.div_euclid(7) * 5 + day.rem_euclid(7).min(5)
}

/// Mondays to Fridays after `from` up to and including `to`; below zero if `to` is before.
fn business_days_between(from: Date, to: Date) -> i64 {
    if to < from {
        return -business_days_between(to, from);
    }
    weekdays_before(day_number(to) + 1) - weekdays_before(day_number(from) + 1)
}

/// The `count`th Monday to Friday after the date, or before it.
fn add_business_days(from: Date, count: i64) -> Result<Date> {
    if count == 0 {
        return Ok(from);
    }
    let day = day_number(from);
    let index = if count > 0 {
        weekdays_before(day + 1) + count - 1
    } else {
        weekdays_before(day) + count
    };
    let target = index.div_euclid(5) * 7 + index.rem_euclid(5);
    let span = Span::new().try_days(target - day).map_err(|_| beyond())?;
    from.checked_add(span).map_err(|_| beyond())
}

fn timestamp(at: DateTime) -> Result<Timestamp> {
    at.to_zoned_datetime(TimeZone::UTC)
        .map(|zoned| zoned.timestamp())
        .map_err(|_| beyond())
}

fn shown(at: DateTime) -> String {
    let date = at.date();
    format!(
        "{date} {:02}:{:02}:{:02}",
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

fn beyond() -> Failure {
    Failure::told("That leaves the years -9999 to 9999, which the calendar here covers.")
}
