//! The exact bytes a person signs: `name: value` lines in field order, so that no field of a statement can be left out.
//!
//! The form is described in `spec/statements.md`; `ssh-keygen -Y verify` checks it without us.

use domain::event::OriginName;
use domain::statement::{Possession, PossessionFields, Signed, Statement};
use domain::{Nonce, Timestamp};
use ledger::Hash;
use serde::Serialize;
use serde::ser::{self, Impossible};

/// The statement's bytes. `origin` ties it to one installation, `nonce` makes it unlike every other.
pub fn bytes<S: Statement>(origin: &OriginName, body: &S, nonce: Nonce, expires: Timestamp) -> Vec<u8> {
    framed(origin, body, Some(nonce), Some(expires))
}

/// What a signed statement of an entry was, rebuilt from the entry's fields.
pub fn signed_bytes<S: Statement>(origin: &OriginName, body: &S, signed: &Signed) -> Vec<u8> {
    bytes(origin, body, signed.nonce, signed.expires)
}

/// Holding a key is proved once and does not expire.
pub fn possession_bytes(origin: &OriginName, body: &PossessionFields, nonce: Nonce) -> Vec<u8> {
    framed(origin, body, Some(nonce), None)
}

/// As [`possession_bytes`], from what stands in an entry.
pub fn possession_of(origin: &OriginName, body: &PossessionFields, possession: &Possession) -> Vec<u8> {
    possession_bytes(origin, body, possession.nonce)
}

/// The founding is unlike every other by the keys it binds.
pub fn founding_bytes(founding: &domain::event::Founding) -> Vec<u8> {
    framed(&founding.origin, founding, None, None)
}

/// SHA-256 of a statement's bytes: what an approval and a second signature are about.
pub fn hash(statement: &[u8]) -> Hash {
    Hash::of(statement)
}

/// The SSHSIG namespace of a statement.
pub const fn namespace<S: Statement>() -> &'static str {
    S::NAME
}

fn framed<S: Statement>(origin: &OriginName, body: &S, nonce: Option<Nonce>, expires: Option<Timestamp>) -> Vec<u8> {
    let mut lines = Lines { out: format!("{}/v1\norigin: {origin}\n", S::NAME), path: String::new(), time: false };
    body.serialize(&mut lines)
        .expect("statements hold only ids, enums, numbers, times, labels, hashes, keys and signatures");
    if let Some(nonce) = nonce {
        lines.line("nonce", &nonce.to_string());
    }
    if let Some(expires) = expires {
        lines.line("expires", &expires.to_string());
    }
    lines.out.into_bytes()
}

/// Writes one line for each value, named by its path. Absent options have no line; everything else has one.
struct Lines {
    out: String,
    path: String,
    /// The next number is a [`Timestamp`] and is written as RFC 3339.
    time: bool,
}

impl Lines {
    fn line(&mut self, name: &str, value: &str) {
        self.out.push_str(name);
        self.out.push_str(": ");
        self.out.push_str(value);
        self.out.push('\n');
    }

    fn value(&mut self, value: &str) -> Result<(), Unfit> {
        // INVARIANT: one value, one line; otherwise two statements could have the same bytes.
        if value.chars().any(char::is_control) {
            return Err(Unfit);
        }
        let path = std::mem::take(&mut self.path);
        self.line(&path, value);
        self.path = path;
        Ok(())
    }

    fn under<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), Unfit> {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        value.serialize(&mut *self)?;
        self.path.truncate(length);
        Ok(())
    }

    fn number(&mut self, value: i128) -> Result<(), Unfit> {
        if std::mem::take(&mut self.time) {
            let micros = i64::try_from(value).map_err(|_| Unfit)?;
            let time = Timestamp::from_micros(micros).map_err(|_| Unfit)?;
            return self.value(&time.to_string());
        }
        self.value(&value.to_string())
    }
}

/// A value that a statement cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("a statement cannot hold this value")]
struct Unfit;

impl ser::Error for Unfit {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Items<'a> {
    lines: &'a mut Lines,
    next: usize,
    outer: usize,
}

impl Items<'_> {
    fn finish(self) -> Result<(), Unfit> {
        if self.next == 0 {
            self.lines.value("[]")?;
        }
        self.lines.path.truncate(self.outer);
        Ok(())
    }
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unfit> {
        let name = self.next.to_string();
        self.next += 1;
        self.lines.under(&name, value)
    }

    fn end(self) -> Result<(), Unfit> {
        self.finish()
    }
}

struct Fields<'a> {
    lines: &'a mut Lines,
    outer: usize,
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.lines.under(name, value)
    }

    fn end(self) -> Result<(), Unfit> {
        self.lines.path.truncate(self.outer);
        Ok(())
    }
}

impl ser::SerializeStructVariant for Fields<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.lines.under(name, value)
    }

    fn end(self) -> Result<(), Unfit> {
        self.lines.path.truncate(self.outer);
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident: $ty:ty),*) => { $(
        fn $method(self, value: $ty) -> Result<(), Unfit> {
            self.number(value.into())
        }
    )* };
}

impl<'a> ser::Serializer for &'a mut Lines {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Impossible<(), Unfit>;
    type SerializeTupleStruct = Impossible<(), Unfit>;
    type SerializeTupleVariant = Impossible<(), Unfit>;
    type SerializeMap = Impossible<(), Unfit>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_bool(self, value: bool) -> Result<(), Unfit> {
        self.value(if value { "yes" } else { "no" })
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unfit> {
        Err(Unfit)
    }

    fn serialize_f64(self, _: f64) -> Result<(), Unfit> {
        Err(Unfit)
    }

    fn serialize_char(self, value: char) -> Result<(), Unfit> {
        self.value(&value.to_string())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unfit> {
        self.value(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unfit> {
        Err(Unfit)
    }

    fn serialize_none(self) -> Result<(), Unfit> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unfit> {
        Err(Unfit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unfit> {
        Err(Unfit)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unfit> {
        self.value(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.time = name == "Timestamp";
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        self.under(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Unfit> {
        let outer = self.path.len();
        Ok(Items { lines: self, next: 0, outer })
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unfit> {
        Err(Unfit)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unfit> {
        Err(Unfit)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unfit> {
        Err(Unfit)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unfit> {
        Err(Unfit)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, Unfit> {
        let outer = self.path.len();
        Ok(Fields { lines: self, outer })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, Unfit> {
        let outer = self.path.len();
        if outer > 0 {
            self.path.push('.');
        }
        self.path.push_str(variant);
        Ok(Fields { lines: self, outer })
    }
}
