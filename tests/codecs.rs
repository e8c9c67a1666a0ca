//! Configuration records and video frames of real encoders, against what ffprobe and ffmpeg say of them.
//!
//! `testdata/codecs/README.md` says how the tables were made.

use std::fs;
use std::path::Path;

use rtmp_inspect::field::Tree;
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::rtmp::body::decode;
use serde_json::Value as Json;

#[test]
fn configuration_records_say_what_ffprobe_says() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for row in table("configs.tsv") {
        let [name, four_cc, record, profile, level, width, height, rate, sample_rate, channels] = &row[..] else {
            panic!("{row:?}");
        };
        let sound = !sample_rate.is_empty();
        let (json, defects) = read(four_cc, 0, record, sound);
        let mut expect = |what: &str, found: &Json, wanted: Json| {
            if *found != wanted {
                wrong.push(format!("{name}: {what} is {wanted}, found {found}"));
            }
        };
        expect("defects", &defects, Json::Array(Vec::new()));
        if sound {
            let config = if four_cc == "mp4a" { &json["config"] } else { &json["sound"] };
            expect("sample rate", &config["sampling_frequency"], number(sample_rate));
            if four_cc == "mp4a" {
                let (key, wanted) = match channels.as_str() {
                    // 2.1 has no number of its own: a program config element says how many.
                    "3" => ("program_channels", "3"),
                    "8" => ("channel_configuration", "7"),
                    channels => ("channel_configuration", channels),
                };
                expect(key, &config[key], number(wanted));
                let object_type = match profile.as_str() {
                    "Main" => "1",
                    "LC" => "2",
                    "LTP" => "4",
                    _ => panic!("{name}: profile {profile}"),
                };
                expect("object type", &config["object_type"], number(object_type));
            } else {
                expect("channels", &config["channels"], number(channels));
            }
        } else {
            let config = &json["config"];
            expect("profile", &config["profile"], Json::String(profile.replace("Profile", "profile")));
            if let Some(level) = level_text(four_cc, level, name) {
                expect("level", &config["level"], Json::String(level));
            }
            if four_cc != "vp09" {
                expect("width", &config["width"], number(width));
                expect("height", &config["height"], number(height));
            }
            if let Some(found) = config["frame_rate"].as_f64() {
                let (above, below) = rate.split_once('/').expect("a fraction");
                let wanted: f64 = above.parse::<f64>().expect("a number") / below.parse::<f64>().expect("a number");
                if (found - wanted).abs() > 0.001 {
                    wrong.push(format!("{name}: {wanted} pictures a second, found {found}"));
                }
            } else if matches!(four_cc.as_str(), "avc1" | "hvc1") {
                wrong.push(format!("{name}: no frame rate, though x264 and x265 write one"));
            }
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "of {count}:\n{}", wrong.join("\n"));
    assert!(count >= 80, "only {count} records");
}

#[test]
fn pictures_have_the_units_that_ffmpeg_finds() {
    let mut wrong = Vec::new();
    for row in table("frames.tsv") {
        let [name, four_cc, packet, units] = &row[..] else { panic!("{row:?}") };
        // CodedFramesX for the codecs that have it: no composition time to write in front.
        let packet_type = if matches!(four_cc.as_str(), "avc1" | "hvc1") { 3 } else { 1 };
        let (json, defects) = read(four_cc, packet_type, packet, false);
        let found = match four_cc.as_str() {
            "vp08" | "vp09" => json["picture_size"]
                .as_array()
                .map_or_else(String::new, |size| size.iter().map(Json::to_string).collect::<Vec<_>>().join("x")),
            _ => {
                let units = json["units"].as_array().map_or(&[][..], Vec::as_slice);
                units.iter().map(|unit| unit["type"].to_string()).collect::<Vec<_>>().join(" ")
            }
        };
        if found != *units || defects != Json::Array(Vec::new()) {
            wrong.push(format!("{name}: units {units}, found {found} {defects}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a later FFmpeg's muxer writes, against the packets it was given.
#[test]
fn tags_of_ffmpeg_say_what_its_packets_were() {
    let (mut wrong, mut frames, mut tracks) = (Vec::new(), 0, 0);
    for row in table("ertmp.tsv") {
        let [name, type_id, length, bytes, four_cc, kind, track, key, cts, packet_length] = &row[..] else {
            panic!("{row:?}");
        };
        let bytes = hex::decode(bytes).expect("hex");
        let mut tree = Tree::default();
        let type_id = MessageTypeId(type_id.parse().expect("a type"));
        let decoded = decode(type_id, &bytes, length.parse().expect("a length"), &mut tree);
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()), "{name}");
        let json = serde_json::to_value(&decoded.body).expect("bodies are JSON");
        let flac_start = json["four_cc"] == "fLaC" && json["packet_type"] == 0 || name == "audio tracks";
        for defect in decoded.defects.iter().filter(|defect| !(flac_start && defect.code == "flac-config-invalid")) {
            wrong.push(format!("{name}: {defect:?}"));
        }
        let config_or_end = json["packet_type"].as_u64().is_some_and(|packet| matches!(packet, 0 | 2 | 4))
            || json["avc_packet_type"].as_u64().is_some_and(|packet| packet != 1)
            || json["aac_packet_type"] == 0;
        if kind == "other" {
            if !config_or_end {
                wrong.push(format!("{name}: no packet of the encoder, yet decoded as {json}"));
            }
            continue;
        }
        frames += 1;
        let mut expect = |what: &str, found: Json, wanted: &str| {
            if found.to_string().trim_matches('"') != wanted {
                wrong.push(format!("{name}: {what} is {wanted}, found {found} in {json}"));
            }
        };
        let content = if track == "0" { &json } else { &json["tracks"][0] };
        if track != "0" {
            tracks += 1;
            expect("track", content["track_id"].clone(), track);
        }
        if json.get("four_cc").is_some() {
            expect("codec", json["four_cc"].clone(), four_cc);
        } else {
            let codec = match four_cc.as_str() {
                "avc1" => "H.264",
                "mp4a" => "AAC",
                ".mp3" => "MP3",
                other => other,
            };
            expect("codec", json["codec"].clone(), codec);
        }
        let time = content["composition_time"].as_i64();
        if type_id == MessageTypeId::VIDEO {
            expect("key frame", Json::from(u8::from(json["frame_type"] == 1)), key);
            expect("composition time", Json::from(time.unwrap_or(0)), cts);
        }
        // A track's length counts the composition time, a message's payload does not.
        let payload = match track.as_str() {
            "0" => json["payload_length"].as_u64(),
            _ => content["length"].as_u64().map(|length| length - if time.is_some() { 3 } else { 0 }),
        };
        expect("length", payload.into(), packet_length);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(frames >= 60 && tracks >= 10, "only {frames} frames, {tracks} in tracks");
}

/// Decodes a message of enhanced RTMP around the content; JSON of the body, and codes of defects.
fn read(four_cc: &str, packet_type: u8, content: &str, sound: bool) -> (Json, Json) {
    // Audio: format 9. Video: enhanced, keyframe. Both are a 9 before the packet type.
    let first = 0x90 | packet_type;
    let bytes = [&[first][..], four_cc.as_bytes(), &hex::decode(content).expect("hex")].concat();
    let type_id = if sound { MessageTypeId::AUDIO } else { MessageTypeId::VIDEO };
    let mut tree = Tree::default();
    let decoded = decode(type_id, &bytes, bytes.len() as u32, &mut tree);
    assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
    let codes = decoded.defects.iter().map(|defect| Json::from(defect.code)).collect();
    (serde_json::to_value(&decoded.body).expect("bodies are JSON"), codes)
}

/// ffprobe's level as the standards write it. It knows none of VP9's.
fn level_text(four_cc: &str, level: &str, name: &str) -> Option<String> {
    let level: i32 = level.parse().expect("a number");
    let dotted = |major: i32, minor: i32| if minor == 0 { major.to_string() } else { format!("{major}.{minor}") };
    let tier = if name.contains("high-tier") { " high tier" } else { "" };
    Some(match four_cc {
        // ffprobe gives level_idc, which is 11 for 1b in the older profiles; what sets it apart is a flag.
        "avc1" if name.contains("level-1b") => "1b".to_owned(),
        "avc1" => dotted(level / 10, level % 10),
        "hvc1" => dotted(level / 30, level % 30 / 3) + tier,
        "av01" if level == 31 => "maximum".to_owned(),
        "av01" => format!("{}.{}", 2 + level / 4, level % 4),
        _ => return None,
    })
}

fn number(text: &str) -> Json {
    serde_json::from_str(text).expect("a number")
}

fn table(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/codecs").join(name);
    let text = fs::read_to_string(path).expect("a table");
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
