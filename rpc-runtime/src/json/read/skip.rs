//! Passing over what nobody decodes, of any depth.

use super::{Reader, Result};

impl<'de> Reader<'de> {
    /// Passes over a value of any depth, and returns its text.
    pub(crate) fn skip(&mut self) -> Result<&'de str> {
        self.peek();
        let start = self.at;
        if let Some(object) = self.skip_one()? {
            self.skip_inside(object)?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Passes over a value that has none inside. Of one that has, it passes over the bracket, and returns whether it is an
    /// object.
    #[inline(always)]
    fn skip_one(&mut self) -> Result<Option<bool>> {
        self.values += 1;
        match self.peek() {
            Some(b'"') => self.skip_string()?,
            Some(byte @ (b'[' | b'{')) => {
                self.at += 1;
                let object = byte == b'{';
                if self.peek() != Some(if object { b'}' } else { b']' }) {
                    return Ok(Some(object));
                }
                self.at += 1;
            }
            Some(b't') if self.word("true") => {}
            Some(b'f') if self.word("false") => {}
            Some(b'n') if self.word("null") => {}
            _ => _ = self.skip_number()?,
        }
        Ok(None)
    }

    /// Passes over what is inside of a bracket, to the one that closes it.
    fn skip_inside(&mut self, object: bool) -> Result<()> {
        let mut open = Brackets::default();
        let mut opened = Some(object);
        loop {
            if let Some(object) = opened {
                open.push(object);
                if object {
                    self.skip_key()?;
                }
            }
            opened = self.skip_one()?;
            // A value has ended: close what ends with it, or go on to the next one.
            while opened.is_none() {
                let Some(object) = open.last() else { return Ok(()) };
                match (self.peek(), object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.error("expected `,` or the end of a list or object")),
                }
            }
        }
    }

    fn skip_key(&mut self) -> Result<()> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key"));
        }
        self.skip_string()?;
        self.expect(b':', "expected `:`")
    }

    /// Passes over a string.
    fn skip_string(&mut self) -> Result<()> {
        self.at += 1;
        loop {
            if self.skip_plain()? == b'"' {
                return Ok(());
            }
            match self.text.as_bytes().get(self.at) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                Some(b'u') => {
                    self.at += 1;
                    self.unit()?;
                }
                _ => return Err(self.error("an unknown escape")),
            }
        }
    }

    /// Passes over a number. Returns whether it is an integer.
    pub(super) fn skip_number(&mut self) -> Result<bool> {
        if self.word("NaN") {
            return Ok(false);
        }
        let _ = self.word("-");
        if self.word("Infinity") {
            return Ok(false);
        }
        let first = self.at;
        match self.digits() {
            0 => return Err(self.error("expected a value")),
            1 => {}
            _ if self.text.as_bytes()[first] == b'0' => {
                return Err(self.error("a number begins with 0"));
            }
            _ => {}
        }
        let mut integer = true;
        if self.word(".") {
            integer = false;
            if self.digits() == 0 {
                return Err(self.error("a number ends with a point"));
            }
        }
        if self.word("e") || self.word("E") {
            integer = false;
            let _ = self.word("+") || self.word("-");
            if self.digits() == 0 {
                return Err(self.error("a number has an empty exponent"));
            }
        }
        Ok(integer)
    }
}

/// The brackets that are open, one bit each: set for an object.
#[derive(Default)]
struct Brackets {
    depth: usize,
    bits: u128,
    full: Vec<u128>,
}

impl Brackets {
    fn push(&mut self, object: bool) {
        if self.depth != 0 && self.depth.is_multiple_of(128) {
            self.full.push(std::mem::take(&mut self.bits));
        }
        self.bits = self.bits << 1 | u128::from(object);
        self.depth += 1;
    }

    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth -= 1;
        if self.depth != 0 && self.depth.is_multiple_of(128) {
            self.bits = self.full.pop().unwrap_or_default();
        }
    }
}
