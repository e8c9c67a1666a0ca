//! From what a filter says to what can be evaluated: names are looked up, types are checked, and
//! literals are read as the type of what they meet.

use std::ops::Range;

use memchr::memmem::Finder;
use regex::bytes::RegexBuilder;

use super::datum::{Class, Constant};
use super::error::shown;
use super::eval::{Function, Member, Operand, Search, Test};
use super::lex::{Kind, Token};
use super::literal::{self, Expected};
use super::parse::{Condition, Form, Quantifier, Term};
use super::suggest::nearest;
use super::{Error, Names, Type};

pub(super) struct Checker<'a> {
    pub text: &'a str,
    pub names: &'a dyn Names,
    /// Every field that was used, in order.
    pub fields: Vec<String>,
}

impl Checker<'_> {
    pub fn condition(&mut self, condition: &Condition) -> Result<Test, Error> {
        Ok(match condition {
            Condition::Or(all) => Test::Or(self.conditions(all)?),
            Condition::Xor(all) => Test::Xor(self.conditions(all)?),
            Condition::And(all) => Test::And(self.conditions(all)?),
            Condition::Not(condition) => Test::Not(Box::new(self.condition(condition)?)),
            Condition::Exists(term) => self.exists(term)?,
            Condition::Compare { first, rest } => {
                let mut left = first;
                let mut tests = Vec::new();
                for (relation, quantifier, right) in rest {
                    let (l, r) = self.pair(left, right)?;
                    tests.push(match &l {
                        Operand::Constant(_) => Test::Compare(*quantifier, relation.flipped(), r, l),
                        _ => Test::Compare(*quantifier, *relation, l, r),
                    });
                    left = right;
                }
                if tests.len() == 1 { tests.remove(0) } else { Test::And(tests) }
            }
            Condition::Contains { quantifier, left, right } => {
                let (operand, expected) = self.searched(left, "contains")?;
                let Operand::Constant(constants) = self.term(right, expected)? else {
                    return Err(Error::new(&right.at, "`contains` needs a text or bytes on its right, not a field"));
                };
                let finder = |constant: &Constant| {
                    let bytes = constant.datum().bytes()?;
                    Some((constant.datum().class(), Finder::new(bytes).into_owned()))
                };
                Test::Search(*quantifier, operand, Search::Contains(constants.iter().filter_map(finder).collect()))
            }
            Condition::Matches { quantifier, left, pattern } => {
                let (operand, _) = self.searched(left, "matches")?;
                Test::Search(*quantifier, operand, regular_expression(pattern)?)
            }
            Condition::Within { quantifier, negated, left, set } => self.within(*quantifier, *negated, left, set)?,
        })
    }

    fn conditions(&mut self, all: &[Condition]) -> Result<Vec<Test>, Error> {
        all.iter().map(|condition| self.condition(condition)).collect()
    }

    fn exists(&mut self, term: &Term) -> Result<Test, Error> {
        match &term.form {
            Form::Word => {
                let operand = self.known_field(&term.at)?;
                Ok(Test::Exists(operand))
            }
            Form::Call(name, _) => {
                self.term(term, Expected::Any)?;
                Err(Error::new(&term.at, "a function alone is not a condition")
                    .help(format!("compare it: {}(…) > 0", &self.text[name.clone()])))
            }
            Form::Slice(..) => Ok(Test::Exists(self.with_field(term)?)),
            Form::Math(..) | Form::Negative(_) => Ok(Test::NotZero(self.with_field(term)?)),
            Form::Quoted(_) | Form::Character(..) => Err(self.no_field(&term.at)),
        }
    }

    /// A term that must have a field in it.
    fn with_field(&mut self, term: &Term) -> Result<Operand, Error> {
        match self.infer(term)? {
            Expected::Nothing => Err(self.no_field(&term.at)),
            expected => self.term(term, expected),
        }
    }

    fn no_field(&self, at: &Range<usize>) -> Error {
        Error::new(at, format!("{} has no field in it", shown(&self.text[at.clone()])))
    }

    /// Both sides of a comparison.
    fn pair(&mut self, left: &Term, right: &Term) -> Result<(Operand, Operand), Error> {
        let of_left = match self.infer(left)? {
            // On the left a word that is no value is a mistyped field.
            Expected::Nothing => match self.infer(right)? {
                Expected::Nothing => return Err(self.unknown_or_no_field(left)),
                _ if self.is_plain_word(left) => return Err(self.unknown(&left.at)),
                of_right => of_right,
            },
            of_left => of_left,
        };
        let of_right = match self.infer(right)? {
            Expected::Nothing => of_left,
            of_right => of_right,
        };
        if let (Some(a), Some(b)) = (of_left.class(), of_right.class())
            && a != b
        {
            let [l, r] = [left, right].map(|term| shown(&self.text[term.at.clone()]));
            return Err(Error::new(&right.at, format!("{l} is {}, but {r} is {}", a.title(), b.title())));
        }
        Ok((self.term(left, of_right)?, self.term(right, of_left)?))
    }

    fn is_plain_word(&self, term: &Term) -> bool {
        let word = &self.text[term.at.clone()];
        matches!(term.form, Form::Word) && word.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    fn unknown_or_no_field(&self, term: &Term) -> Error {
        if self.is_plain_word(term) { self.unknown(&term.at) } else { self.no_field(&term.at) }
    }

    /// The left side of `contains` and `matches`.
    fn searched(&mut self, term: &Term, operator: &str) -> Result<(Operand, Expected), Error> {
        let expected = match self.infer(term)? {
            Expected::Nothing => return Err(self.unknown_or_no_field(term)),
            expected => expected,
        };
        let operand = self.term(term, expected)?;
        match expected.class() {
            None | Some(Class::Text | Class::Bytes) => Ok((operand, expected)),
            Some(class) => {
                let source = &self.text[term.at.clone()];
                Err(Error::new(
                    &term.at,
                    format!("{} is {}; `{operator}` needs text or bytes", shown(source), class.title()),
                )
                .help(format!("its text: string({source})")))
            }
        }
    }

    fn within(
        &mut self,
        quantifier: Quantifier,
        negated: bool,
        left: &Term,
        set: &[(Term, Option<Term>)],
    ) -> Result<Test, Error> {
        if self.infer(left)? == Expected::Nothing {
            return Err(self.unknown_or_no_field(left));
        }
        let mut members = Vec::new();
        for (low, high) in set {
            let low = self.pair(left, low)?.1;
            let high = high.as_ref().map(|high| self.pair(left, high)).transpose()?;
            members.push(Member { low, high: high.map(|(_, high)| high) });
        }
        let test = Test::Within(quantifier, self.with_field(left)?, members);
        Ok(if negated { Test::Not(Box::new(test)) } else { test })
    }

    /// The type of a term, [`Expected::Nothing`] if it is made of literals only.
    fn infer(&self, term: &Term) -> Result<Expected, Error> {
        Ok(match &term.form {
            Form::Word => match self.lookup(&term.at) {
                Some(Type::Of(def)) => Expected::Field(def),
                Some(Type::Any) => Expected::Any,
                None => Expected::Nothing,
            },
            Form::Quoted(_) | Form::Character(..) => Expected::Nothing,
            Form::Negative(inner) => self.infer(inner)?,
            Form::Slice(inner, _) => match self.infer(inner)? {
                Expected::Nothing => return Err(self.unknown_or_no_field(inner)),
                _ => Expected::Class(Class::Bytes),
            },
            Form::Math(_, left, right) => match self.infer(left)? {
                Expected::Nothing => self.infer(right)?.calculated(),
                of_left => of_left.calculated(),
            },
            Form::Call(name, arguments) => match self.function(name)? {
                Function::Len | Function::Count => Expected::Class(Class::Number),
                Function::Lower | Function::Upper | Function::String => Expected::Class(Class::Text),
                Function::Max | Function::Min | Function::Abs => {
                    let mut found = Expected::Nothing;
                    for argument in arguments {
                        if found == Expected::Nothing {
                            found = self.infer(argument)?;
                        }
                    }
                    found
                }
            },
        })
    }

    /// The term, its literals read as what is expected.
    fn term(&mut self, term: &Term, expected: Expected) -> Result<Operand, Error> {
        let literal = |kind: &Kind| literal::read(&self.text[term.at.clone()], kind, expected);
        let literal =
            |kind| literal(kind).map(Operand::Constant).map_err(|error| Error { at: term.at.clone(), ..error });
        match &term.form {
            Form::Word if self.lookup(&term.at).is_some() => self.known_field(&term.at),
            Form::Word => literal(&Kind::Word).map_err(|error| self.perhaps_a_field(error)),
            Form::Quoted(bytes) => literal(&Kind::Quoted(bytes.clone())),
            Form::Character(bytes, number) => literal(&Kind::Character(bytes.clone(), *number)),
            Form::Negative(inner) => {
                let class = expected.class().unwrap_or(Class::Number);
                if !matches!(class, Class::Number | Class::Time) {
                    return Err(Error::new(&term.at, format!("expected {}, found a negative number", class.title())));
                }
                let inner = self.term(inner, expected.numeric())?;
                Ok(match inner {
                    Operand::Constant(constants) => {
                        Operand::Constant(constants.iter().map(Constant::negative).collect())
                    }
                    inner => Operand::Negative(Box::new(inner)),
                })
            }
            Form::Slice(inner, parts) => {
                let class = self.infer(inner)?;
                if let Some(class @ (Class::Number | Class::Boolean | Class::Time)) = class.class() {
                    let source = shown(&self.text[inner.at.clone()]);
                    return Err(Error::new(&term.at, format!("{source} is {} and has no slices", class.title())));
                }
                Ok(Operand::Slice(Box::new(self.with_field(inner)?), parts.clone()))
            }
            Form::Math(sign, left, right) => self.math(term, sign, [left, right], expected),
            Form::Call(name, arguments) => self.call(name, arguments, expected),
        }
    }

    fn math(
        &mut self,
        whole: &Term,
        sign: &'static str,
        [left, right]: [&Term; 2],
        outer: Expected,
    ) -> Result<Operand, Error> {
        let expected = match self.infer(whole)? {
            Expected::Nothing => outer.numeric(),
            inner => inner,
        };
        for term in [left, right] {
            let class = self.infer(term)?.class().or(expected.class()).unwrap_or(Class::Number);
            let fits = match class {
                Class::Number => true,
                Class::Time => matches!(sign, "+" | "-"),
                Class::Bytes => sign == "&",
                _ => false,
            };
            if !fits {
                let source = shown(&self.text[term.at.clone()]);
                return Err(Error::new(&term.at, format!("{source} is {}: `{sign}` does not apply", class.title())));
            }
        }
        let (left, right) = self.pair_or_literals(left, right, expected)?;
        Ok(Operand::Math(sign, Box::new(left), Box::new(right)))
    }

    fn pair_or_literals(&mut self, left: &Term, right: &Term, expected: Expected) -> Result<(Operand, Operand), Error> {
        if self.infer(left)? == Expected::Nothing && self.infer(right)? == Expected::Nothing {
            return Ok((self.term(left, expected)?, self.term(right, expected)?));
        }
        self.pair(left, right)
    }

    fn call(&mut self, name: &Range<usize>, arguments: &[Term], outer: Expected) -> Result<Operand, Error> {
        let function = self.function(name)?;
        let shown_name = &self.text[name.clone()];
        let many = matches!(function, Function::Max | Function::Min);
        if arguments.is_empty() || (!many && arguments.len() > 1) {
            let number = if many { "at least one argument" } else { "one argument" };
            return Err(Error::new(name, format!("`{shown_name}` takes {number}, not {}", arguments.len())));
        }
        let mut common = match outer {
            Expected::Nothing => Expected::Any,
            outer if many || function == Function::Abs => outer,
            _ => Expected::Any,
        };
        for argument in arguments {
            let found = self.infer(argument)?;
            let fits = match (function, found.class()) {
                _ if found == Expected::Nothing => many || function == Function::Abs,
                (_, None) | (Function::Count | Function::String, _) => true,
                (Function::Len, _) => true,
                (Function::Lower | Function::Upper, Some(class)) => class == Class::Text,
                (Function::Abs, Some(class)) => matches!(class, Class::Number | Class::Time),
                (Function::Max | Function::Min, Some(class)) => common.class().is_none_or(|common| common == class),
            };
            if !fits {
                let source = shown(&self.text[argument.at.clone()]);
                if found == Expected::Nothing {
                    return Err(self.unknown_or_no_field(argument));
                }
                let class = found.class().map_or("a value", Class::title);
                return Err(Error::new(&argument.at, format!("{source} is {class}: `{shown_name}` does not apply")));
            }
            if found != Expected::Nothing {
                common = found;
            }
        }
        let arguments = arguments.iter().map(|argument| self.term(argument, common)).collect::<Result<_, _>>()?;
        Ok(Operand::Call(function, arguments))
    }

    fn function(&self, name: &Range<usize>) -> Result<Function, Error> {
        Ok(match &self.text[name.clone()] {
            "len" => Function::Len,
            "count" => Function::Count,
            "lower" => Function::Lower,
            "upper" => Function::Upper,
            "string" => Function::String,
            "max" => Function::Max,
            "min" => Function::Min,
            "abs" => Function::Abs,
            other => {
                return Err(Error::new(name, format!("unknown function {}", shown(other)))
                    .help("the functions are len, count, lower, upper, string, max, min and abs"));
            }
        })
    }

    /// A leading dot says that a word is a field and no value.
    fn lookup(&self, at: &Range<usize>) -> Option<Type> {
        let word = &self.text[at.clone()];
        let name = word.strip_prefix('.').unwrap_or(word);
        if name.starts_with(|c: char| c.is_ascii_digit()) { None } else { self.names.field(name) }
    }

    fn known_field(&mut self, at: &Range<usize>) -> Result<Operand, Error> {
        if self.lookup(at).is_none() {
            return Err(self.unknown(at));
        }
        let name = self.text[at.clone()].trim_start_matches('.').to_owned();
        if !self.fields.contains(&name) {
            self.fields.push(name.clone());
        }
        Ok(Operand::Field(name))
    }

    fn unknown(&self, at: &Range<usize>) -> Error {
        let word = &self.text[at.clone()];
        let error = Error::new(at, format!("unknown field {}", shown(word)));
        if let Some((before, after)) = word.split_once('-')
            && self.names.field(before).is_some()
        {
            return error.help(format!("a minus needs blanks: {before} - {after}"));
        }
        match self.names.hint(word).or_else(|| self.near(word)) {
            Some(help) => error.help(help),
            None => error,
        }
    }

    fn near(&self, word: &str) -> Option<String> {
        let near = nearest(word, self.names.names());
        let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
        (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
    }

    /// A word on the right that is no literal of the type may be a field that was mistyped.
    fn perhaps_a_field(&self, error: Error) -> Error {
        let word = &self.text[error.at.clone()];
        match self.near(word) {
            Some(near) if word.contains('.') && error.help.is_none() => error.help(near),
            _ => error,
        }
    }
}

/// Without regard to case, and byte by byte: texts need not be valid UTF-8.
fn regular_expression(pattern: &Token) -> Result<Search, Error> {
    /// In bytes, compiled: generous for what is typed, and far from hurting.
    const LARGEST: usize = 1 << 20;
    let Kind::Quoted(bytes) = &pattern.kind else {
        return Err(Error::new(&pattern.at, "expected a regular expression in double quotes"));
    };
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Error::new(&pattern.at, "the regular expression is not UTF-8")
            .help("write such bytes in a raw string: r\"\\xff\"")
    })?;
    let regex = RegexBuilder::new(text).unicode(false).case_insensitive(true).size_limit(LARGEST).build();
    regex.map(Search::Matches).map_err(|error| {
        // The library draws the expression and a caret of its own; its last line says what is wrong.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Error::new(&pattern.at, format!("invalid regular expression: {reason}"))
    })
}
