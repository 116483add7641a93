#![expect(clippy::disallowed_methods, reason = "tests read and write files")]

use std::{
    fs,
    io::Read as _,
    num::NonZeroU64,
    path::Path,
    thread::yield_now,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flate2::read::MultiGzDecoder;
use gabion_testkit::TempFolder;

use super::{Rotation, rotating::RotatingFile};

const START: SystemTime = UNIX_EPOCH;

fn at(secs: u64) -> SystemTime {
    START + Duration::from_secs(secs)
}

fn rotation(size: u64) -> Rotation {
    Rotation {
        size: NonZeroU64::new(size).unwrap(),
        ..Rotation::default()
    }
}

fn write(file: &mut RotatingFile, lines: &str, now: SystemTime) {
    let (written, result) = file.write(lines.as_bytes(), now);
    result.unwrap();
    assert_eq!(written, lines.len());
    while file.is_archiving() {
        yield_now();
    }
}

/// The names in the folder with their content, decompressed.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(&path).unwrap();
            let mut text = String::new();
            if path.extension().is_some_and(|extension| extension == "gz") {
                MultiGzDecoder::new(&bytes[..])
                    .read_to_string(&mut text)
                    .unwrap();
            } else {
                text = String::from_utf8(bytes).unwrap();
            }
            (name, text)
        })
        .collect();
    files.sort();
    files
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let files = files.iter();
    files
        .map(|&(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

#[test]
fn file_that_is_full_is_compressed_and_lines_stay_whole() {
    let folder = TempFolder::new("rotate-size");
    let path = folder.path().join("log");
    let mut file = RotatingFile::open(path, rotation(8), at(0)).unwrap();
    write(&mut file, "one\ntwo\nthree\n", at(1));
    write(&mut file, "longer than a file\nx\n", at(62));
    assert_eq!(
        files(folder.path()),
        owned(&[
            ("log", "x\n"),
            ("log.19700101T000001Z.gz", "one\ntwo\n"),
            ("log.19700101T000102Z-001.gz", "longer than a file\n"),
            ("log.19700101T000102Z.gz", "three\n"),
        ])
    );
}

#[test]
fn period_that_ends_begins_a_file_also_after_a_restart() {
    let folder = TempFolder::new("rotate-time");
    let path = folder.path().join("log");
    let hourly = Rotation {
        every: Some(Duration::from_hours(1)),
        compress: false,
        ..Rotation::default()
    };
    let mut file = RotatingFile::open(path.clone(), hourly.clone(), at(0)).unwrap();
    write(&mut file, "a\n", at(3599));
    write(&mut file, "b\n", at(3600));
    file.rotate_if_due(at(3601)).unwrap();
    assert_eq!(
        files(folder.path()),
        owned(&[("log", "b\n"), ("log.19700101T010000Z", "a\n")])
    );
    // The file's time is that of the system: long after this period.
    let mut file = RotatingFile::open(path, hourly, at(3602)).unwrap();
    write(&mut file, "c\n", at(3602));
    assert_eq!(
        files(folder.path())[0],
        ("log".to_owned(), "c\n".to_owned())
    );
}

#[test]
fn files_beyond_the_kept_ones_are_deleted_and_others_are_not() {
    let folder = TempFolder::new("rotate-keep");
    fs::write(folder.path().join("log.old"), "").unwrap();
    fs::write(folder.path().join("log.20200101T000000Z.gz.partial"), "").unwrap();
    let path = folder.path().join("log");
    let two = Rotation {
        keep: 2,
        ..rotation(2)
    };
    let mut file = RotatingFile::open(path, two, at(0)).unwrap();
    for (nth, line) in ["a\n", "b\n", "c\n", "d\n"].into_iter().enumerate() {
        write(&mut file, line, at(60 * nth as u64));
    }
    assert_eq!(
        files(folder.path()),
        owned(&[
            ("log", "d\n"),
            ("log.19700101T000200Z.gz", "b\n"),
            ("log.19700101T000300Z.gz", "c\n"),
            ("log.old", ""),
        ])
    );
}

#[test]
fn file_that_another_program_replaced_is_opened_again() {
    let folder = TempFolder::new("rotate-renamed");
    let path = folder.path().join("log");
    let mut file = RotatingFile::open(path.clone(), Rotation::default(), at(0)).unwrap();
    write(&mut file, "a\n", at(0));
    fs::rename(&path, folder.path().join("moved")).unwrap();
    fs::write(&path, "new\n").unwrap();
    write(&mut file, "b\n", at(1));
    assert_eq!(
        files(folder.path()),
        owned(&[("log", "new\nb\n"), ("moved", "a\n")])
    );
}

#[test]
fn folder_that_is_gone_fails_and_one_that_is_back_does_not() {
    let folder = TempFolder::new("rotate-fails");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let mut file = RotatingFile::open(inner.join("log"), Rotation::default(), at(0)).unwrap();
    fs::remove_dir_all(&inner).unwrap();
    let (written, result) = file.write(b"a\n", at(1));
    assert_eq!((written, result.is_err()), (0, true));
    fs::create_dir(&inner).unwrap();
    write(&mut file, "b\n", at(2));
    assert_eq!(files(&inner), owned(&[("log", "b\n")]));
}
