//! Terms, the loosest operator first: calculations, signs, slices, functions, words and literals.
//!
//! Every operator counts as a level: it nests the tree.

use std::ops::Range;

use super::{Form, KEYWORDS, Parser, Term};
use crate::filter::Error;
use crate::filter::error::shown;
use crate::filter::eval::Part;
use crate::filter::lex::Kind;

impl Parser<'_> {
    pub(super) fn sum(&mut self) -> Result<Term, Error> {
        let depth = self.depth;
        let term = self.operation(&["&", "bitwise_and"], |parser| {
            parser.operation(&["+", "-"], |parser| parser.operation(&["*", "/", "%"], Self::factor))
        })?;
        self.depth = depth;
        Ok(term)
    }

    fn operation(
        &mut self,
        signs: &[&'static str],
        mut each: impl FnMut(&mut Self) -> Result<Term, Error>,
    ) -> Result<Term, Error> {
        let mut left = each(self)?;
        while let Some(found) = signs.iter().find(|sign| self.is_next(sign)) {
            let sign = if *found == "bitwise_and" { "&" } else { found };
            self.next += 1;
            self.deeper()?;
            let right = each(self)?;
            let at = left.at.start..right.at.end;
            left = Term { at, form: Form::Math(sign, Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Term, Error> {
        let Some(sign) = self.take(&["-", "+"]) else { return self.sliced() };
        self.deeper()?;
        let term = self.factor()?;
        self.depth -= 1;
        if sign.kind == Kind::Sign("+") {
            return Ok(term);
        }
        Ok(Term { at: sign.at.start..term.at.end, form: Form::Negative(Box::new(term)) })
    }

    fn sliced(&mut self) -> Result<Term, Error> {
        let mut term = self.operand()?;
        while self.peek().kind == Kind::Slice {
            let token = self.advance();
            self.deeper()?;
            let parts = slice(self.text, &token.at)?;
            term = Term { at: term.at.start..token.at.end, form: Form::Slice(Box::new(term), parts) };
        }
        Ok(term)
    }

    fn operand(&mut self) -> Result<Term, Error> {
        let token = self.peek().clone();
        let form = match token.kind {
            Kind::Word if KEYWORDS.contains(&self.source(&token)) => return Err(self.expected("a field or a value")),
            Kind::Word => Form::Word,
            Kind::Quoted(bytes) => Form::Quoted(bytes),
            Kind::Character(bytes, number) => Form::Character(bytes, number),
            Kind::Sign("{") => return self.braces(),
            Kind::Sign("(") => {
                return Err(self
                    .expected("a field or a value")
                    .help("terms are grouped with { }, conditions with ( )"));
            }
            Kind::Sign(_) | Kind::Slice | Kind::End => return Err(self.expected("a field or a value")),
        };
        self.next += 1;
        if matches!(form, Form::Word) && self.is_next("(") {
            return self.call(token.at);
        }
        Ok(Term { at: token.at, form })
    }

    fn braces(&mut self) -> Result<Term, Error> {
        let open = self.advance();
        self.deeper()?;
        let term = self.sum()?;
        match self.take(&["}"]) {
            Some(close) => {
                self.depth -= 1;
                Ok(Term { at: open.at.start..close.at.end, form: term.form })
            }
            None => Err(self.unclosed(&open, "}")),
        }
    }

    fn call(&mut self, name: Range<usize>) -> Result<Term, Error> {
        let open = self.advance();
        self.deeper()?;
        let mut arguments = Vec::new();
        let close = match self.take(&[")"]) {
            Some(close) => close,
            None => loop {
                arguments.push(self.sum()?);
                match self.take(&[",", ")"]) {
                    Some(token) if token.kind == Kind::Sign(")") => break token,
                    Some(_) => {}
                    None if self.peek().kind == Kind::End => return Err(self.unclosed(&open, ")")),
                    None => return Err(self.expected("`,` or `)`")),
                }
            },
        };
        self.depth -= 1;
        Ok(Term { at: name.start..close.at.end, form: Form::Call(name, arguments) })
    }
}

/// The parts of `[i:j]`, `[i-j]`, `[i]`, `[:j]`, `[i:]`, or several with commas.
fn slice(text: &str, at: &Range<usize>) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    let mut from = at.start + 1;
    for part in text[from..at.end - 1].split(',') {
        let place = from..from + part.len();
        from = place.end + 1;
        let place = if place.is_empty() { at.clone() } else { place };
        parts.push(slice_part(part.trim()).map_err(|message| {
            Error::new(&place, message).help("[offset:length], [first-last], [offset], [:length] or [offset:]")
        })?);
    }
    Ok(parts)
}

fn slice_part(part: &str) -> Result<Part, String> {
    let number = |word: &str| -> Result<i64, String> {
        let word = word.trim();
        let (negative, digits) = word.strip_prefix('-').map_or((false, word), |digits| (true, digits));
        let value = match digits.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => digits.parse::<u32>(),
        };
        let value = value.map_err(|_| format!("{} is not an offset", shown(word)))?;
        Ok(if negative { -i64::from(value) } else { i64::from(value) })
    };
    let positive = |word: &str| -> Result<u64, String> {
        match number(word)? {
            length @ 1.. => Ok(length.unsigned_abs()),
            _ => Err("a length is at least 1".to_owned()),
        }
    };
    if let Some((start, length)) = part.split_once(':') {
        return match (start.trim(), length.trim()) {
            ("", length) => Ok(Part::Length(0, positive(length)?)),
            (start, "") => Ok(Part::From(number(start)?)),
            (start, length) => Ok(Part::Length(number(start)?, positive(length)?)),
        };
    }
    // The first character may be the sign of the first offset.
    let dash = part.char_indices().skip(1).find(|&(_, c)| c == '-').map(|(at, _)| at);
    let Some(dash) = dash else { return Ok(Part::Length(number(part)?, 1)) };
    let (first, last) = (number(&part[..dash])?, number(&part[dash + 1..])?);
    if (first < 0) == (last < 0) && first > last {
        return Err("the last offset is before the first".to_owned());
    }
    Ok(Part::Through(first, last))
}
