use super::*;

#[test]
fn rate_limits_the_number_per_second() {
    for (rate, start, each) in [
        ("20/s", 20, 20),
        ("20/s\"\nburst = 1\n#\"", 1, 20),
        ("20/s\"\nburst = 200\n#\"", 200, 20),
        ("1200/m", 1_200, 20),
    ] {
        let limit = limit(&format!("rate = \"{rate}\""));
        assert_eq!(passed(&limit, 2_000, |_| page()), start, "{rate}");
        for second in 1..=3 {
            let requests = 1_000 * (second - 1)..1_000 * second;
            let tick = |n: u32| Duration::from_millis(u64::from(n) + 1);
            let passing = requests.filter(|&n| passes(&limit, &page().at(tick(n))));
            assert_eq!(passing.count(), each, "{rate} in second {second}");
        }
    }
}

#[test]
fn rates_parse_and_print() {
    for (text, count, interval) in [
        ("20/s", 20, Duration::from_millis(50)),
        ("1000/h", 1_000, Duration::from_millis(3_600)),
        ("3/10m", 3, Duration::from_secs(200)),
        ("1/d", 1, Duration::from_hours(24)),
        ("5/1h 30m", 5, Duration::from_mins(18)),
    ] {
        let rate: Rate = text.parse().unwrap();
        assert_eq!(
            (rate.count().get(), rate.interval(), rate.to_string()),
            (count, interval, text.to_owned())
        );
    }
    for text in [
        "",
        "20",
        "/s",
        "20/",
        "0/s",
        "-1/s",
        "20/x",
        "20 per s",
        "1.5/s",
        "9/0s",
        "2000000/s",
        "1/99d",
        "4294967296/s",
    ] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
}
