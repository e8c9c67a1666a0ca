use super::beginning::{self, Beginning};
use super::order::{Said, What, merge};
use super::*;

/// The bytes of the two sides of a text, one after the other's pieces.
fn sides(text: &str) -> [Vec<u8>; 2] {
    let read = read(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let Content::Parts(parts) = &read.content else { panic!("packets: {text}") };
    [0, 1].map(|side| {
        parts
            .iter()
            .filter(|part| part.side == side)
            .flat_map(|part| &read.bytes[part.range.clone()])
            .copied()
            .collect()
    })
}

fn bytes(text: &str) -> Vec<u8> {
    let [first, second] = sides(text);
    assert!(second.is_empty(), "{text}");
    first
}

/// A chunk with a ping, 18 bytes.
const PING: [u8; 18] = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0x70, 0x6c];

#[test]
fn every_dress_of_a_few_bytes() {
    for text in [
        "0200000000000604000000000006 0000706c",
        "02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00 70 6C\n",
        "02:00:00:00:00:00:06:04:00:00:00:00:00:06:00:00:70:6c",
        "02-00-00-00-00-00-06-04-00-00-00-00-00-06-00-00-70-6c",
        "0x02,0x0, 0x00 0x00 0x00 0x00 0x06 0x04",
        "\\x02\\x00\\x00\\x00\\x00\\x00\\x06\\x04\\x00\\x00\\x00\\x00\\x00\\x06\\x00\\x00\\x70\\x6c",
        // Wrapped at an odd width.
        "020000000000060\n400000000000600\n00706c\n",
    ] {
        let found = bytes(text);
        assert!(found == PING[..found.len()] && found.len() >= 8, "{text}: {found:02x?}");
    }
}

#[test]
fn literals_of_each_language() {
    for text in [
        "unsigned char ping[] = {\n  0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00,\n  0x00, 0x06, 0x00, \
         0x00, 0x70, 0x6c\n};\nunsigned int ping_len = 18;\n",
        "static const uint8_t ping[18] = { 2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 112, 0x6c }; // a {1, 2, 3, 4}",
        "let ping: [u8; 18] = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0x70u8, 0x6c_u8];",
        "let ping = b\"\\x02\\x00\\0\\0\\0\\0\\x06\\x04\\0\\0\\0\\0\\x00\\x06\\0\\x00pl\";",
        "ping = b'\\x02\\x00\\x00\\x00\\x00\\x00\\x06\\x04\\x00\\x00\\x00\\x00\\x00\\x06\\x00\\x00pl'  # a ping",
        "ping = (b'\\x02\\x00\\x00\\x00\\x00\\x00\\x06\\x04'\n        b'\\x00\\x00\\x00\\x00\\x00\\x06\\x00\\x00pl')",
        "bytes.fromhex('020000000000 0604 000000000006 0000 706c')",
        "bytes([2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 112, 108])",
        "ping := []byte{0x02, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0x70, 0x6c}",
        "const ping = Buffer.from(\"0200000000000604000000000006 0000706c\", \"hex\");",
        "new Uint8Array([2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 112, 108])",
        "{\"type\":\"Buffer\",\"data\":[2,0,0,0,0,0,6,4,0,0,0,0,0,6,0,0,112,108]}",
        "byte[] ping = {(byte) 0x02, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 112, 108};",
        "byteArrayOf(0x02, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0x70.toByte(), 108)",
        "let ping: [UInt8] = [0x02, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0x70, 0x6c]",
        "base64.b64decode('AgAAAAAABgQAAAAAAAYAAHBs')",
        "\"\\002\\000\\000\\000\\000\\000\\006\\004\\000\\000\\000\\000\\000\\006\\000\\000pl\"",
        "<Buffer 02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00 70 6c>",
        "<02000000 00000604 00000000 00060000 706c>",
        "2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 112, 108",
    ] {
        assert_eq!(bytes(text), PING, "{text}");
    }
}

#[test]
fn dumps_with_offsets() {
    for text in [
        "00000000: 0200 0000 0000 0604 0000 0000 0006 0000  ................\n00000010: 706c                                     pl\n",
        "00000000  02 00 00 00 00 00 06 04  00 00 00 00 00 06 00 00  |................|\n00000010  70 6c                                             |pl|\n00000012\n",
        "0000000 0002 0000 0000 0406 0000 0000 0600 0000\n0000010 6c70                                   \n0000012\n",
        "000000 02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00\n000010 70 6c\n000012\n",
        "0000000 02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00\n0000020 70 6c\n0000022\n",
        "0000000 02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00\n0000016 70 6c\n0000018\n",
        "0000   02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00   ................\n0010   70 6c                                             pl\n",
        "\t0x0000:  0200 0000 0000 0604 0000 0000 0006 0000  ................\n\t0x0010:  706c                                     pl\n",
        "           00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F\n\n00000000   02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00  ................\n00000010   70 6C                                            pl\n",
        "│00000000│ 02 00 00 00 00 00 06 04 ┊ 00 00 00 00 00 06 00 00 │•⋄⋄⋄⋄⋄••┊⋄⋄⋄⋄⋄•⋄⋄│\n│00000010│ 70 6c                   ┊                         │pl      ┊        │\n",
        "My server gets this and closes the connection:\n\n```\n00000000: 0200 0000 0000 0604 0000 0000 0006 0000  ................\n00000010: 706c                                     pl\n```\nWhat is wrong?\n",
        "0000 02 00 00 00 00 00 06 04 00 00 00 00 00 06 00 00 70 6c",
    ] {
        assert_eq!(bytes(text), PING, "{text}");
    }
}

#[test]
fn characters_that_look_like_hex_are_no_bytes() {
    // The characters of the bytes are hex digits themselves.
    let text = "00000000: 6162 6364 6566 3031 3233 6162 6364 6566  abcdef0123abcdef\n00000010: 6162 6364                                abcd\n";
    assert_eq!(bytes(text), b"abcdef0123abcdefabcd");
    assert_eq!(bytes("00000000: 6162 6364                                abcd\n"), b"abcd");
    assert_eq!(bytes("00000000  61 62 20 63 64  |ab cd|\n"), b"ab cd");
}

#[test]
fn lines_that_repeat_are_written_out_and_missing_ones_are_told() {
    let text = "00000000  02 00 00 00 00 00 06 04  00 00 00 00 00 06 00 00  |................|\n\
                00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n\
                00000040  70 6c                                             |pl|\n00000042\n";
    let found = bytes(text);
    assert_eq!((found.len(), &found[64..]), (0x42, &b"pl"[..]));
    let without = text.replace("*\n", "");
    assert_eq!(read(&without).unwrap_err(), Error::Missing { line: 3, expected: 0x20, found: 0x40 });
    let hostile = text.replace("00000040", "ffffffffffff");
    assert!(matches!(read(&hostile).unwrap_err(), Error::TooLong { .. }));
}

#[test]
fn errors_name_the_place() {
    assert_eq!(read("02 00 0\n").unwrap_err(), Error::Odd { line: 1, digits: 1 });
    assert_eq!(read("0200000").unwrap_err(), Error::Odd { line: 1, digits: 7 });
    assert_eq!(read("02 00\n03 0g").unwrap_err(), Error::NotHex { line: 2, column: 5, found: 'g' });
    assert_eq!(read("02 00\n03 gg").unwrap_err(), Error::NotHex { line: 2, column: 4, found: 'g' });
    assert_eq!(read("Dear developer,\nhere it is").unwrap_err(), Error::NotHex { line: 1, column: 4, found: 'r' });
    assert_eq!(read("{1, 2, 3, 4, 256}").unwrap_err(), Error::NotAByte { line: 1, found: "256".to_owned() });
    assert_eq!(read("\n\n").unwrap_err(), Error::NoBytes);
    assert_eq!(read("Follow: tcp,ascii\nFilter: x\nNode 0: :0\nNode 1: :0\n\t3\nabc\n").unwrap_err(), Error::Ascii);
    // Other text is no hex.
    for text in [
        "{\"kind\": [1, 2, 3, 4, 5, 6, 7, 8]}",
        "see (1, 2, 3) and \"C:\\\\x\"",
        "It's 'quoted' b",
        "[package]\nname = \"x\"\n",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn both_sides_of_a_followed_stream() {
    let addresses = "Node 0: 10.0.0.1:50000\nNode 1: [::1]:1935\n";
    let raw = format!("\n=====\nFollow: tcp,raw\nFilter: tcp.stream eq 0\n{addresses}0304\n\t0506\n\t07\n08\n=====\n");
    assert_eq!(sides(&raw), [vec![3, 4, 8], vec![5, 6, 7]]);
    let Content::Parts(parts) = read(&raw).unwrap().content else { panic!() };
    let order: Vec<_> = parts.iter().map(|part| (part.side, part.range.clone())).collect();
    assert_eq!(order, [(0, 0..2), (1, 2..4), (1, 4..5), (0, 5..6)]);
    assert_eq!(parts[0].endpoints.map(|ends| ends[1].to_string()), Some("[::1]:1935".to_owned()));
    for text in [
        "00000000  03 04                                             ..\n    00000000  05 06                                             ..\n    00000002  07                                                .\n00000002  08                                                .\n",
        "char peer0_0[] = { /* Packet 4 */\n0x03, 0x04 };\nchar peer1_0[] = { /* Packet 6 */\n0x05, 0x06, \n0x07 };\nchar peer0_1[] = { /* Packet 7 */\n0x08 };\n",
        "peers:\n  - peer: 0\n    host: 10.0.0.1\n    port: 50000\n  - peer: 1\n    host: 10.0.0.2\n    port: 1935\npackets:\n  - packet: 4\n    peer: 0\n    timestamp: 1.5\n    data: !!binary |\n      AwQ=\n  - packet: 6\n    peer: 1\n    data: !!binary |\n      BQYH\n  - packet: 7\n    peer: 0\n    data: !!binary |\n      CA==\n",
        "# Packet 4\npeer0_0: !!binary |\n  AwQ=\n# Packet 6\npeer1_0: !!binary |\n  BQYH\n# Packet 7\npeer0_1: !!binary |\n  CA==\n",
        "0304\n    050607\n08\n",
    ] {
        assert_eq!(sides(text), [vec![3, 4, 8], vec![5, 6, 7]], "{text}");
        let Content::Parts(parts) = read(text).unwrap().content else { panic!() };
        let frames: Vec<_> = parts.iter().map(|part| part.frame.0).collect();
        assert!(frames == [4, 6, 7] || frames.iter().all(|&frame| frame == 0), "{text}: {frames:?}");
    }
}

#[test]
fn packets_are_told_by_their_headers_and_times_by_the_lines_before_them() {
    // An IPv4 header with its checksum (RFC 791), TCP, and a byte.
    let packet = "\t0x0000:  4500 0029 0001 4000 4006 3ccc 7f00 0001  E..)..@.@.<.....\n\t0x0010:  7f00 0001 edb2 078f d0b5 b140 0000 0000  ...........@....\n\t0x0020:  5018 ffd7 fe30 0000 03                   P....0...\n";
    let times = |stamps: [&str; 2]| {
        let text: String = stamps.map(|stamp| format!("{stamp} IP a.1 > b.2: Flags [P.], length 1\n{packet}")).concat();
        let Text { content: Content::Packets(packets), assumed, bytes } = read(&text).unwrap() else {
            panic!("{text}")
        };
        assert!(packets.iter().all(|packet| packet.link_type == 101 && bytes[packet.range.clone()].len() == 41));
        (packets.iter().map(|packet| packet.time).collect::<Vec<_>>(), assumed[..assumed.len() - 1].to_vec())
    };
    let second = 1_000_000_000;
    assert_eq!(
        times(["23:59:59.500000", "00:00:01.500000"]),
        (vec![Time(86_399_500_000_000), Time(86_401_500_000_000)], vec![Assumption::NoDate])
    );
    assert_eq!(
        times(["1795337094.624237", "1795337095.624237"]).0[1]
            .since(times(["1795337094.624237", "1795337095.624237"]).0[0]),
        second
    );
    assert_eq!(
        times(["2026-11-22 08:44:54.624237", "2026-11-22 08:44:55.0"]),
        (vec![Time(1_795_337_094_624_237_000), Time(1_795_337_095_000_000_000)], vec![Assumption::NoZone])
    );
    assert_eq!(times(["00:00:00.000000", "00:00:00.500000"]).1, [Assumption::Relative]);
    assert_eq!(times(["", ""]), (vec![Time::NONE; 2], vec![]));
    // Payload that is shown again for itself is no packet.
    let derived = format!("Frame (41 bytes):\n{packet}\nReassembled TCP (2 bytes):\n\t0x0000:  0304\n");
    let Content::Packets(packets) = read(&derived).unwrap().content else { panic!() };
    assert_eq!(packets.len(), 1);
}

#[test]
fn beginnings() {
    let mut handshake = vec![3; 1 + 2 * 1536];
    handshake[1..9].fill(0);
    assert_eq!(beginning::of(&handshake), Some(Beginning::Handshake));
    assert_eq!(beginning::of(&handshake[..1000]), None);
    assert_eq!(beginning::of(&PING), Some(Beginning::Chunks));
    // connect on chunk stream 3 begins as C0 does.
    let connect = b"\x03\0\0\0\0\0\x10\x14\0\0\0\0\x02\0\x07connect";
    assert_eq!((beginning::of(connect), beginning::from_start(connect)), (Some(Beginning::Chunks), false));
    assert!(beginning::from_start(&handshake));
    assert_eq!(beginning::of(b"\x16\x03\x01\x02\x00\x01\x00"), Some(Beginning::Wrapper));
    // Both directions one after the other: S2 is C1.
    let (c1, s1): (Vec<u8>, Vec<u8>) =
        ((0..1536).map(|i| (i % 251) as u8).collect(), (0..1536).map(|i| (i % 241) as u8).collect());
    let both = [&[3][..], &c1, &[3], &s1, &c1, &s1].concat();
    assert_eq!(beginning::of(&both), Some(Beginning::Conversation));
    let lines = [&both[..1537], &both[1537..1537 + 3073], &both[1537 + 3073..]].map(hex::encode).join("\n");
    assert_eq!(read(&lines).unwrap_err(), Error::Conversation);
}

#[test]
fn directions_are_put_into_an_order_that_could_have_been() {
    let said = |all: &[(u64, What)]| {
        all.iter().map(|(end, what)| Said { end: *end, sent: *end, what: what.clone() }).collect::<Vec<_>>()
    };
    let call = |name: &str, id| What::Call(name.to_owned(), id);
    let status = |code: &str| What::Status(code.to_owned());
    let client = said(&[
        (1537, What::Hello),
        (3073, What::Echo),
        (3200, call("connect", 1.0)),
        (3300, call("createStream", 2.0)),
        (3400, call("publish", 3.0)),
        (9000, What::Other),
        (9100, What::Pong(7)),
        (9200, call("deleteStream", 4.0)),
    ]);
    let server = said(&[
        (3073, What::Hello),
        (3100, What::Other),
        (3200, What::Answer(1.0)),
        (3300, What::Answer(2.0)),
        (3400, status("NetStream.Publish.Start")),
        (3450, What::Ping(7)),
        (3500, What::Acknowledgement(9000)),
        (3600, status("NetStream.Unpublish.Success")),
    ]);
    assert_eq!(
        merge([&client, &server]),
        [
            (0, 1537),
            (1, 3073),
            (0, 3200),
            (1, 3200),
            (0, 3300),
            (1, 3300),
            (0, 3400),
            (1, 3450),
            (0, 9000),
            (1, 3500),
            (0, 9200),
            (1, 3600)
        ]
    );
    // Whatever is missing, all of both is there.
    assert_eq!(merge([&client[2..], &[]]), [(0, 9200)]);
    assert_eq!(merge([&[], &server]), [(1, 3600)]);
}
