//! From tokens to a tree of conditions and terms.
//!
//! Takes the text, gives its structure. It does not know which names exist nor what types they have.

mod term;

use std::ops::Range;

use super::Error;
use super::error::shown;
use super::eval::{Part, Relation};
use super::lex::{self, Kind, Token};

/// What the filter says, not yet checked.
#[derive(Debug)]
pub(super) enum Condition {
    Or(Vec<Condition>),
    Xor(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    /// A term alone: it is there, or it is not zero.
    Exists(Term),
    /// `a < b <= c`: each with the next.
    Compare {
        first: Term,
        rest: Vec<(Relation, Quantifier, Term)>,
    },
    Contains {
        quantifier: Quantifier,
        left: Term,
        right: Term,
    },
    Matches {
        quantifier: Quantifier,
        left: Term,
        pattern: Token,
    },
    Within {
        quantifier: Quantifier,
        negated: bool,
        left: Term,
        set: Vec<(Term, Option<Term>)>,
    },
}

/// Whether one occurrence of a field is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Any,
    All,
}

#[derive(Debug)]
pub(super) struct Term {
    pub at: Range<usize>,
    pub form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    Word,
    Quoted(Vec<u8>),
    Character(Vec<u8>, u32),
    Negative(Box<Term>),
    Slice(Box<Term>, Vec<Part>),
    /// `at` of the name, and the arguments.
    Call(Range<usize>, Vec<Term>),
    Math(&'static str, Box<Term>, Box<Term>),
}

/// How deep a filter may be nested. Each level takes a few kilobytes of stack while it is parsed.
const DEEPEST: usize = 100;

/// Operators that are words. They cannot be the names of fields.
const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "xor",
    "not",
    "in",
    "contains",
    "matches",
    "eq",
    "ne",
    "gt",
    "ge",
    "lt",
    "le",
    "any_eq",
    "any_ne",
    "all_eq",
    "all_ne",
    "bitwise_and",
];

pub(super) fn parse(text: &str) -> Result<Condition, Error> {
    let mut parser = Parser { text, tokens: lex::tokens(text)?, next: 0, depth: 0 };
    if parser.peek().kind == Kind::End {
        return Err(Error::new(&parser.peek().at, "the filter is empty")
            .help("a field's name alone asks whether it is present"));
    }
    let condition = parser.or()?;
    match parser.peek().kind {
        Kind::End => Ok(condition),
        _ => Err(parser.no_condition_follows()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // The last token is the end, and is never consumed.
        &self.tokens[self.next]
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != Kind::End {
            self.next += 1;
        }
        token
    }

    fn source(&self, token: &Token) -> &str {
        &self.text[token.at.clone()]
    }

    /// Whether a sign or a keyword comes next.
    fn is_next(&self, sign: &str) -> bool {
        let token = self.peek();
        matches!(token.kind, Kind::Sign(_) | Kind::Word) && self.source(token) == sign
    }

    fn take(&mut self, signs: &[&str]) -> Option<Token> {
        signs.iter().any(|sign| self.is_next(sign)).then(|| self.advance())
    }

    /// Goes one level down, or says that it is too deep.
    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        match self.depth {
            ..=DEEPEST => Ok(()),
            _ => Err(Error::new(&self.peek().at, format!("nested more than {DEEPEST} levels deep"))),
        }
    }

    // Conditions, the loosest operator first.

    fn or(&mut self) -> Result<Condition, Error> {
        self.chain(&["or", "||"], Condition::Or, |parser| {
            parser
                .chain(&["xor", "^^"], Condition::Xor, |parser| parser.chain(&["and", "&&"], Condition::And, Self::not))
        })
    }

    fn chain(
        &mut self,
        signs: &[&str],
        join: fn(Vec<Condition>) -> Condition,
        mut each: impl FnMut(&mut Self) -> Result<Condition, Error>,
    ) -> Result<Condition, Error> {
        let first = each(self)?;
        let mut all = vec![first];
        while self.take(signs).is_some() {
            all.push(each(self)?);
        }
        Ok(if all.len() > 1 { join(all) } else { all.remove(0) })
    }

    fn not(&mut self) -> Result<Condition, Error> {
        let mut negated = false;
        while self.take(&["not", "!"]).is_some() {
            negated = !negated;
        }
        let condition = self.primary()?;
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn primary(&mut self) -> Result<Condition, Error> {
        let Some(open) = self.take(&["("]) else { return self.test() };
        self.deeper()?;
        let condition = self.or()?;
        if self.take(&[")"]).is_none() {
            return Err(self.unclosed(&open, ")"));
        }
        self.depth -= 1;
        Ok(condition)
    }

    fn unclosed(&self, open: &Token, close: &str) -> Error {
        match self.peek().kind {
            Kind::End => Error::new(&open.at, format!("{} is never closed", shown(self.source(open)))),
            _ => self.no_condition_follows().help(format!("is a `{close}` missing here?")),
        }
    }

    fn test(&mut self) -> Result<Condition, Error> {
        let quantifier = self.quantifier();
        let first = self.sum()?;
        let each = quantifier.unwrap_or(Quantifier::Any);
        if self.take(&["contains"]).is_some() {
            return Ok(Condition::Contains { quantifier: each, left: first, right: self.sum()? });
        }
        if self.take(&["matches", "~"]).is_some() {
            let pattern = self.advance();
            return match pattern.kind {
                Kind::Quoted(_) => Ok(Condition::Matches { quantifier: each, left: first, pattern }),
                _ => Err(Error::new(&pattern.at, "expected a regular expression in double quotes")),
            };
        }
        let is_not_in = self.is_next("not") && self.tokens.get(self.next + 1).is_some_and(|t| self.source(t) == "in");
        if is_not_in || self.is_next("in") {
            self.next += 1 + usize::from(is_not_in);
            return Ok(Condition::Within { quantifier: each, negated: is_not_in, left: first, set: self.set()? });
        }
        let mut rest = Vec::new();
        while let Some((relation, usual)) = self.relation() {
            rest.push((relation, quantifier.unwrap_or(usual), self.sum()?));
        }
        match rest.is_empty() {
            false => Ok(Condition::Compare { first, rest }),
            true if quantifier.is_some() => Err(self.expected("a comparison, as `any` and `all` need one")),
            true => Ok(Condition::Exists(first)),
        }
    }

    /// `any` or `all`, if a term follows: alone they would be names.
    fn quantifier(&mut self) -> Option<Quantifier> {
        let quantifier = match () {
            () if self.is_next("any") => Quantifier::Any,
            () if self.is_next("all") => Quantifier::All,
            () => return None,
        };
        self.next += 1;
        Some(quantifier)
    }

    /// A comparison operator, and whether all occurrences must satisfy it when nothing else is said.
    fn relation(&mut self) -> Option<(Relation, Quantifier)> {
        let token = self.peek();
        if !matches!(token.kind, Kind::Sign(_) | Kind::Word) {
            return None;
        }
        let found = match self.source(token) {
            "==" | "eq" | "any_eq" => (Relation::Eq, Quantifier::Any),
            "===" | "all_eq" => (Relation::Eq, Quantifier::All),
            "!=" | "ne" | "all_ne" => (Relation::Ne, Quantifier::All),
            "!==" | "~=" | "any_ne" => (Relation::Ne, Quantifier::Any),
            ">" | "gt" => (Relation::Gt, Quantifier::Any),
            ">=" | "ge" => (Relation::Ge, Quantifier::Any),
            "<" | "lt" => (Relation::Lt, Quantifier::Any),
            "<=" | "le" => (Relation::Le, Quantifier::Any),
            _ => return None,
        };
        self.next += 1;
        Some(found)
    }

    fn set(&mut self) -> Result<Vec<(Term, Option<Term>)>, Error> {
        let Some(open) = self.take(&["{"]) else {
            return Err(self.expected("a set of values in braces: { 1, 5..7 }"));
        };
        let mut set = Vec::new();
        loop {
            let low = self.sum()?;
            let high = if self.take(&[".."]).is_some() { Some(self.sum()?) } else { None };
            set.push((low, high));
            if self.take(&["}"]).is_some() {
                return Ok(set);
            }
            if self.take(&[","]).is_none() {
                return Err(match self.peek().kind {
                    Kind::End => self.unclosed(&open, "}"),
                    _ => self.expected("`,` or `}`"),
                });
            }
        }
    }

    // What is wrong here.

    fn expected(&self, what: &str) -> Error {
        let token = self.peek();
        match token.kind {
            Kind::End => Error::new(&token.at, format!("the filter ends here; expected {what}")),
            _ => Error::new(&token.at, format!("expected {what}, found {}", shown(self.source(token)))),
        }
    }

    /// A condition is complete, but what follows neither joins it to another nor ends it.
    fn no_condition_follows(&self) -> Error {
        let token = self.peek();
        let source = self.source(token);
        let error = self.expected("`and`, `or` or the end");
        match &token.kind {
            Kind::Sign(")" | "}") => Error::new(&token.at, format!("{} was never opened", shown(source))),
            Kind::Sign(_) => error.help("terms are grouped with { }, conditions with ( )"),
            Kind::Word => match KEYWORDS.iter().find(|keyword| keyword.eq_ignore_ascii_case(source)) {
                Some(keyword) if *keyword != source => error.help(format!("operators are lower case: `{keyword}`")),
                _ => error,
            },
            _ => error,
        }
    }
}
