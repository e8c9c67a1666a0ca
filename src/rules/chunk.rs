//! Rules of the chunk layer: headers that say what they should not (failures of RTMP 1.0 5.3 and 5.4).

use crate::compare::{Comparison, Side};
use crate::rtmp::MessageTypeId;

use super::{Breaks, Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static TYPE_ID_DEC_HEX: Rule = Rule {
    code: "type-id-dec-hex",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a message type was written in decimal as if it were hexadecimal",
    page: Page {
        what: "A command or data message has a type that no receiver knows, and its body is AMF all the same. Types are shown \
               in hexadecimal by Wireshark and in decimal by the specification: 0x14 is 20, and 14 is no type at all.",
        looks: "03 00 00 00 00 00 8c 0e 00 00 00 00   02 00 07 63 6f 6e 6e 65 63 74\n\
                \n\
                0e is 14. AMF 0 commands are 14 hexadecimal, 20 decimal. Likewise 12 for 18 (0x12, data), 11 for 17 (0x11, AMF 3 \
                command), 15 for 21.",
        who: "Clients written by reading a Wireshark tree.",
        fix: "Send 20 (0x14) for AMF 0 commands, 18 (0x12) for AMF 0 data, 17 (0x11) for AMF 3 commands.",
        source: "RTMP 1.0 section 7.1. Servers drop types they do not know without a word; Node-Media-Server closes.",
    },
    check: Check::Diff(type_id),
};

fn type_id(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of_b = |row: usize| comparison.item(row, Side::B)?.message().zip(comparison.name(row, Side::B)?.read_as);
    let wrong: Vec<usize> = comparison
        .open()
        .filter(|&index| {
            let mismatch = &comparison.mismatches[index];
            mismatch.path == "header.typeid" && of_b(mismatch.row).is_some()
        })
        .collect();
    let Some(&first) = wrong.first() else { return Vec::new() };
    let Some((kept, meant)) = of_b(comparison.mismatches[first].row) else { return Vec::new() };
    let sent = kept.header.type_id;
    let MessageTypeId(number) = meant;
    let as_hex = u8::from_str_radix(&sent.0.to_string(), 16) == Ok(number);
    let why = if as_hex {
        format!("the body is that of {meant}, and {number:#04x} read as decimal is {}", sent.0)
    } else {
        format!("the body is that of {meant}; no receiver knows type {}", sent.numbers())
    };
    let name = comparison.either(comparison.mismatches[first].row).name.clone();
    let claim = Claim::at(
        comparison,
        first,
        Certainty::Certain,
        format!("{name} was sent with message type {} where {} is meant", sent.numbers(), meant.numbers()),
    );
    vec![claim.why(why).fix(format!("send type {}", meant.numbers())).explaining(wrong).breaking(Breaks::Answer)]
}
