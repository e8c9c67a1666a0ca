//! The only code that takes numbers from bytes.

use std::ops::Range;

use super::{Bits, Def, Record, Value};

/// A cursor over bytes that names what it reads. `R` is what remembers the names: `()` for nothing.
#[derive(Debug)]
pub struct Reader<'a, 'r, R: Record = ()> {
    bytes: &'a [u8],
    at: usize,
    record: &'r mut R,
}

/// The bytes ended inside a field.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// The field that did not fit.
    pub field: &'static Def,
    /// Offset where it begins.
    pub at: usize,
    /// How many bytes it needs.
    pub need: usize,
    /// How many there were.
    pub have: usize,
}

impl<'a, 'r, R: Record> Reader<'a, 'r, R> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8], record: &'r mut R) -> Self {
        Reader { bytes, at: 0, record }
    }

    /// Offset of the next byte, from the start of the outermost buffer.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes not yet read, left unread.
    pub fn peek(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The record, for what only a tree needs.
    pub fn record(&mut self) -> &mut R {
        self.record
    }

    /// Reads with a reader that ends `len` bytes from here (or at the end, if that is nearer), then
    /// continues after what it read. Offsets stay those of the outermost buffer.
    pub fn within<T>(&mut self, len: usize, read: impl FnOnce(&mut Reader<'a, '_, R>) -> T) -> T {
        let end = self.at.saturating_add(len).min(self.bytes.len());
        let mut inner = Reader { bytes: &self.bytes[..end], at: self.at, record: &mut *self.record };
        let value = read(&mut inner);
        self.at = inner.at;
        value
    }

    /// Reads a group of fields. The group ends where the reading stopped, also on an error.
    pub fn group<T>(&mut self, def: &'static Def, read: impl FnOnce(&mut Self) -> T) -> T {
        self.record.open(def, self.at);
        let value = read(self);
        self.record.close(self.at);
        value
    }

    /// Gives the group being read a text of its own.
    pub fn describe(&mut self, text: impl FnOnce() -> String) {
        self.record.describe(text);
    }

    /// One byte.
    pub fn u8(&mut self, def: &'static Def) -> Result<u8, Short> {
        Ok(self.uint(def, 1)? as u8)
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, def: &'static Def) -> Result<u16, Short> {
        Ok(self.uint(def, 2)? as u16)
    }

    /// Three bytes, big-endian.
    pub fn u24(&mut self, def: &'static Def) -> Result<u32, Short> {
        Ok(self.uint(def, 3)? as u32)
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, def: &'static Def) -> Result<u32, Short> {
        Ok(self.uint(def, 4)? as u32)
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, def: &'static Def) -> Result<u64, Short> {
        self.uint(def, 8)
    }

    /// `width` (1 to 8) bytes, big-endian.
    pub fn uint(&mut self, def: &'static Def, width: usize) -> Result<u64, Short> {
        let (range, bytes) = self.take(def, width)?;
        let value = bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.record.leaf(def, range, || Value::Uint(value));
        Ok(value)
    }

    /// `width` (1 to 8) bytes, little-endian.
    pub fn uint_le(&mut self, def: &'static Def, width: usize) -> Result<u64, Short> {
        let (range, bytes) = self.take(def, width)?;
        let value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.record.leaf(def, range, || Value::Uint(value));
        Ok(value)
    }

    /// `width` (1 to 8) bytes, big-endian, two's complement.
    pub fn int(&mut self, def: &'static Def, width: usize) -> Result<i64, Short> {
        let (range, bytes) = self.take(def, width)?;
        let value = bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let unused = 64 - 8 * width as u32;
        let value = (value << unused) as i64 >> unused;
        self.record.leaf(def, range, || Value::Int(value));
        Ok(value)
    }

    /// One to four bytes of 7, 7, 7 and 8 bits: the U29 of AMF 3. `name` says, from the number read, which
    /// field it is and what its value is there, for AMF 3 keeps flags in the low bits.
    pub fn u29(&mut self, name: impl Fn(u32) -> (&'static Def, Value)) -> Result<u32, Short> {
        let bytes = self.peek();
        let len = bytes.iter().take(3).take_while(|&&byte| byte >= 0x80).count() + 1;
        let number = bytes.iter().take(len).enumerate().fold(0, |number, (index, &byte)| match index {
            3 => number << 8 | u32::from(byte),
            _ => number << 7 | u32::from(byte & 0x7f),
        });
        let (range, _) = self.take(name(number).0, len)?;
        let (def, value) = name(number);
        self.record.leaf(def, range, || value);
        Ok(number)
    }

    /// An IEEE 754 double, big-endian.
    pub fn f64(&mut self, def: &'static Def) -> Result<f64, Short> {
        let (range, bytes) = self.take(def, 8)?;
        let bits = bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.record.leaf(def, range, || Value::Double(f64::from_bits(bits)));
        Ok(f64::from_bits(bits))
    }

    /// One byte that is true unless it is 0. The byte is given as it is.
    pub fn boolean(&mut self, def: &'static Def) -> Result<u8, Short> {
        let (range, bytes) = self.take(def, 1)?;
        self.record.leaf(def, range, || Value::Boolean(bytes[0] != 0));
        Ok(bytes[0])
    }

    /// `len` plain bytes.
    pub fn bytes(&mut self, def: &'static Def, len: usize) -> Result<&'a [u8], Short> {
        let (range, bytes) = self.take(def, len)?;
        self.record.leaf(def, range, || Value::Bytes(bytes.to_vec()));
        Ok(bytes)
    }

    /// `len` bytes of text. They are given as they are: text from the wire may be no UTF-8.
    pub fn text(&mut self, def: &'static Def, len: usize) -> Result<&'a [u8], Short> {
        let (range, bytes) = self.take(def, len)?;
        self.record.leaf(def, range, || Value::Text(String::from_utf8_lossy(bytes).into_owned()));
        Ok(bytes)
    }

    /// All that is left, as plain bytes; no field if nothing is.
    pub fn rest(&mut self, def: &'static Def) -> &'a [u8] {
        let bytes = self.peek();
        if !bytes.is_empty() {
            let range = self.at..self.bytes.len();
            self.at = self.bytes.len();
            self.record.leaf(def, range, || Value::Bytes(bytes.to_vec()));
        }
        bytes
    }

    /// Leaves `len` bytes (or what there is) without a field, for they have one elsewhere.
    pub fn skip(&mut self, len: usize) {
        self.at = self.at.saturating_add(len).min(self.bytes.len());
    }

    /// `width` bits of the field read last, `shift` bits from its right end, and their value.
    pub fn bits(&mut self, def: &'static Def, whole: u64, shift: u32, width: u32) -> u64 {
        let value = whole >> shift & ((1 << width) - 1);
        self.record.bits(def, Bits { shift, width }, value);
        value
    }

    /// A field that is in no byte here: inherited, computed or assumed.
    pub fn derived(&mut self, def: &'static Def, value: impl FnOnce() -> Value, why: &'static str) {
        self.record.derived(def, self.at, value, why);
    }

    fn take(&mut self, def: &'static Def, len: usize) -> Result<(Range<usize>, &'a [u8]), Short> {
        if len > self.remaining() {
            return Err(Short { field: def, at: self.at, need: len, have: self.remaining() });
        }
        let range = self.at..self.at + len;
        self.at = range.end;
        Ok((range.clone(), &self.bytes[range]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Tree;

    crate::fields! {
        OUTER = "test.outer", Group, "Outer", "a group";
        NUMBER = "test.number", Uint, "Number", "a number";
        HIGH = "test.high", Uint, "High", "its high bits";
        REST = "test.rest", Bytes, "Rest", "what is left";
    }

    fn decode<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<(i64, u64), Short> {
        reader.group(&OUTER, |reader| {
            let signed = reader.int(&NUMBER, 3)?;
            let whole = reader.uint_le(&NUMBER, 2)?;
            let high = reader.bits(&HIGH, whole, 12, 4);
            Ok((signed, high))
        })
    }

    #[test]
    fn the_same_calls_give_values_and_a_tree_that_tiles_the_bytes() {
        let bytes = [0xff, 0xff, 0xfe, 0x34, 0xa2, 9, 9];
        assert_eq!(decode(&mut Reader::new(&bytes, &mut ())).unwrap(), (-2, 0xa));

        let mut tree = Tree::default();
        let mut reader = Reader::new(&bytes, &mut tree);
        assert_eq!(decode(&mut reader).unwrap(), (-2, 0xa));
        reader.rest(&REST);
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
        assert_eq!(tree.nodes().len(), 5);
    }

    #[test]
    fn a_u29_has_one_to_four_bytes() {
        let name = |number| (&NUMBER, Value::Uint(u64::from(number)));
        for (bytes, number) in [
            (&[0x7f][..], 0x7f),
            (&[0x81, 0x00], 0x80),
            (&[0xff, 0x7f], 0x3fff),
            (&[0x81, 0x80, 0x00], 0x4000),
            (&[0x80, 0xc0, 0x80, 0x00], 0x20_0000),
            (&[0xff, 0xff, 0xff, 0xff], 0x1fff_ffff),
        ] {
            let mut none = ();
            let mut reader = Reader::new(bytes, &mut none);
            assert_eq!(reader.u29(name).unwrap(), number);
            assert!(reader.is_empty());
        }
        let short = Reader::new(&[0x81, 0x80], &mut ()).u29(name).unwrap_err();
        assert_eq!((short.need, short.have), (3, 2));
    }

    #[test]
    fn a_short_field_says_what_it_needed() {
        let short = decode(&mut Reader::new(&[1, 2, 3, 4], &mut ())).unwrap_err();
        assert_eq!((short.field.name, short.at, short.need, short.have), ("test.number", 3, 2, 1));
    }

    #[test]
    fn a_reader_within_a_reader_keeps_the_offsets_and_its_own_end() {
        let bytes = [1, 2, 3, 4, 5];
        let mut none = ();
        let mut reader = Reader::new(&bytes, &mut none);
        reader.u8(&NUMBER).unwrap();
        let inner = reader.within(2, |inner| (inner.at(), inner.u32(&NUMBER).unwrap_err().have));
        assert_eq!(inner, (1, 2));
        assert_eq!(reader.remaining(), 4);
    }
}
