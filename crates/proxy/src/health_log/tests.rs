use std::{
    convert::Infallible,
    fs,
    future::pending,
    path::PathBuf,
    sync::mpsc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use gabion_testkit::TempFolder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::time::{advance, timeout};
use tower::{Service as _, service_fn};

use super::{line::RequestFields, *};

/// 2015-07-23 00:04:39.311 UTC, the first line of the example in Beanstalk's documentation.
const DOCUMENTED: Duration = Duration::from_millis(1_437_609_879_311);

const HOUR: Duration = Duration::from_hours(1);

fn at(since_epoch: Duration) -> SystemTime {
    UNIX_EPOCH + since_epoch
}

fn line(path: &str, forwarded_for: &[&[u8]], status: u16, millis: u64) -> String {
    let mut request = Request::get(path);
    for value in forwarded_for {
        request = request.header("x-forwarded-for", *value);
    }
    let request = request.body(()).unwrap();
    RequestFields::new(request.uri(), request.headers()).line(
        at(DOCUMENTED),
        StatusCode::from_u16(status).unwrap(),
        Duration::from_millis(millis),
    )
}

fn log(test: &str, capacity: usize) -> (HealthLog, Writer, TempFolder) {
    let folder = TempFolder::new(test);
    let files = HourlyFiles::new(folder.path().into());
    let (log, writer) = HealthLog::queue(files, capacity);
    (log, writer, folder)
}

#[expect(clippy::disallowed_methods, reason = "a test reads what was written")]
fn read(folder: &TempFolder, hour: &str) -> String {
    fs::read_to_string(folder.file(&format!("application.log.{hour}"))).unwrap()
}

fn names(folder: &TempFolder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn lines_are_those_of_the_documentation() {
    let from: &[&[u8]] = &[b"177.72.242.17"];
    let page = "1437609879.311\"/\"200\"0.083\"0.083\"177.72.242.17\n";
    assert_eq!(line("/", from, 200, 83), page);
    let missing = "1437609879.311\"/bad/path\"404\"0.001\"0.001\"177.72.242.17\n";
    assert_eq!(line("/bad/path", from, 404, 1), missing);
    let slow = "1437609879.311\"/\"504\"60.050\"60.050\"177.72.242.17\n";
    assert_eq!(line("/?token=secret", from, 504, 60_050), slow);
}

/// A field that is missing or holds a separator would make the agent skip or misread the line.
#[test]
fn each_line_has_six_fields_whatever_the_client_sends() {
    let attacks: [(&str, &[&[u8]], &str); 6] = [
        ("/", &[], "\"/\"200\"0.000\"0.000\"-\n"),
        ("/", &[b""], "\"/\"200\"0.000\"0.000\"-\n"),
        (
            "/a\"500\"9\"",
            &[b"1\"2\\3"],
            "\"/a\\x22500\\x229\\x22\"200\"0.000\"0.000\"1\\x222\\x5C3\n",
        ),
        (
            "/",
            &[b"a\tb\xff"],
            "\"/\"200\"0.000\"0.000\"a\\x09b\\xFF\n",
        ),
        (
            "/",
            &[b"10.0.0.1", b"10.0.0.2"],
            "\"/\"200\"0.000\"0.000\"10.0.0.1, 10.0.0.2\n",
        ),
        ("/%0a%22", &[b"::1"], "\"/%0a%22\"200\"0.000\"0.000\"::1\n"),
    ];
    for (path, forwarded_for, expected) in attacks {
        let line = line(path, forwarded_for, 200, 0);
        assert_eq!(line.strip_prefix("1437609879.311"), Some(expected));
        assert_eq!(line.matches('"').count(), 5, "{line}");
    }
}

#[test]
fn long_fields_are_cut() {
    let path = "/".repeat(10_000);
    let line = line(&path, &[&[0xff; 9_000]], 200, 0);
    let (kept, escaped) = ("/".repeat(256), "\\xFF".repeat(256));
    assert!(line.contains(&format!("\"{kept}\"200\"")), "{line}");
    assert!(line.ends_with(&format!("\"{escaped}\n")), "{line}");
}

#[test]
fn each_hour_has_a_file_and_older_ones_are_deleted() {
    let folder = TempFolder::new("health-log-hours");
    for other in [
        "application.log",
        "application.log.2015-07-22-9",
        "application.log.2015-07-22-aa",
        "error.log.2001-01-01-00",
    ] {
        folder.write(other, "");
    }
    let mut files = HourlyFiles::new(folder.path().into());
    let mut write = |hours: u32, line: &str| {
        let time = at(DOCUMENTED + HOUR * hours);
        files.write(Hour::of(time), line.as_bytes()).unwrap();
    };
    write(0, "one\n");
    write(0, "two\n");
    write(1, "three\n");
    // A request that was completed just before the hour.
    write(0, "late\n");
    assert_eq!(read(&folder, "2015-07-23-00"), "one\ntwo\nlate\n");
    assert_eq!(read(&folder, "2015-07-23-01"), "three\n");
    write(3, "four\n");
    write(25, "five\n");
    write(24, "six\n");
    let expected = [
        "application.log",
        "application.log.2015-07-22-9",
        "application.log.2015-07-22-aa",
        "application.log.2015-07-24-00",
        "application.log.2015-07-24-01",
        "error.log.2001-01-01-00",
    ];
    assert_eq!(names(&folder), expected);
}

#[test]
fn previous_two_hours_are_kept() {
    let folder = TempFolder::new("health-log-kept");
    let mut files = HourlyFiles::new(folder.path().into());
    for hours in 0..5 {
        let hour = Hour::of(at(DOCUMENTED + HOUR * hours));
        files.write(hour, b"line\n").unwrap();
    }
    let kept = ["02", "03", "04"].map(|hour| format!("application.log.2015-07-23-{hour}"));
    assert_eq!(names(&folder), kept);
}

#[test]
fn line_that_finds_the_queue_full_is_dropped_and_counted() {
    let (log, writer, folder) = log("health-log-full", 3);
    let hour = Hour::of(at(DOCUMENTED));
    let (done, pushed) = mpsc::channel();
    // Nothing takes lines yet.
    thread::spawn(move || {
        for nth in 0..10 {
            log.push(hour, format!("{nth}\n"));
        }
        done.send(log)
    });
    let log = pushed.recv_timeout(Duration::from_secs(5));
    let log = log.expect("a request does not wait for the writer");
    assert_eq!(log.0.lost.load(Ordering::Relaxed), 7);
    let lost = Arc::clone(&log.0.lost);
    drop(log);
    writer.run();
    assert_eq!(read(&folder, "2015-07-23-00"), "0\n1\n2\n");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "their number is logged");
}

#[test]
fn batch_is_split_at_the_hour() {
    let (log, writer, folder) = log("health-log-batch", 8);
    for minutes in [54, 55, 56, 57] {
        let time = at(DOCUMENTED + Duration::from_mins(minutes));
        log.push(Hour::of(time), format!("{minutes}\n"));
    }
    drop(log);
    writer.run();
    assert_eq!(read(&folder, "2015-07-23-00"), "54\n55\n");
    assert_eq!(read(&folder, "2015-07-23-01"), "56\n57\n");
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_later_ones_are_written() {
    let (log, mut writer, folder) = log("health-log-error", 8);
    writer.reported = Some(now());
    let hour = Hour::of(at(DOCUMENTED));
    let entry = |line: &str| Entry {
        hour,
        line: line.into(),
    };
    fs::remove_dir(folder.path()).unwrap();
    log.push(hour, "two\n".into());
    writer.write_batch(entry("one\n"));
    assert_eq!(writer.lost.load(Ordering::Relaxed), 2);
    fs::create_dir(folder.path()).unwrap();
    writer.write_batch(entry("three\n"));
    assert_eq!(read(&folder, "2015-07-23-00"), "three\n");
}

#[expect(clippy::disallowed_methods, reason = "a report was just made")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn folder_that_does_not_exist_is_an_error_at_the_start() {
    let error = HealthLog::start(PathBuf::from("/proc/no-such-folder")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// Takes the fields after the time of a line that was pushed.
fn fields(writer: &Writer) -> Option<String> {
    let line = writer.lines.try_recv().ok()?.line;
    let (_, fields) = line.trim_end().split_once('"').unwrap();
    Some(fields.into())
}

#[tokio::test(start_paused = true)]
async fn request_is_logged_when_its_response_ends() {
    let (log, writer, _folder) = log("health-log-end", 8);
    let page = service_fn(|_: Request<()>| async {
        advance(Duration::from_millis(250)).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("page")))
    });
    let mut service = HealthLogService::new(page, log);
    let response = service.call(Request::new(())).await.unwrap();
    advance(Duration::from_secs(1)).await;
    assert_eq!(fields(&writer), None);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "page");
    assert_eq!(fields(&writer).unwrap(), "/\"200\"1.250\"1.250\"-");
}

#[tokio::test(start_paused = true)]
async fn client_that_leaves_before_the_response_has_status_499() {
    let (log, writer, _folder) = log("health-log-left", 8);
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let mut service = HealthLogService::new(never, log);
    let left = timeout(Duration::from_secs(3), service.call(Request::new(()))).await;
    assert!(left.is_err());
    assert_eq!(fields(&writer).unwrap(), "/\"499\"3.000\"3.000\"-");
}

#[tokio::test(start_paused = true)]
async fn websocket_is_logged_when_it_opens() {
    for (method, status) in [("GET", 101), ("CONNECT", 200)] {
        let (log, writer, _folder) = log("health-log-websocket", 8);
        let opens = service_fn(move |_: Request<()>| async move {
            let response = Response::builder().status(status);
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        });
        let mut service = HealthLogService::new(opens, log);
        let request = Request::builder().method(method).uri("/").body(()).unwrap();
        let response = service.call(request).await.unwrap();
        let expected = format!("/\"{status}\"0.000\"0.000\"-");
        assert_eq!(fields(&writer), Some(expected));
        advance(Duration::from_hours(1)).await;
        drop(response);
        assert_eq!(fields(&writer), None, "it is logged once");
    }
}

#[tokio::test]
async fn error_of_the_service_is_unchanged_and_logged_as_500() {
    let (log, writer, _folder) = log("health-log-service-error", 8);
    let fails = service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>("failed") });
    let mut service = HealthLogService::new(fails, log);
    let result = service.call(Request::new(())).await;
    assert_eq!(result.unwrap_err(), "failed");
    assert!(fields(&writer).unwrap().starts_with("/\"500\""));
}
