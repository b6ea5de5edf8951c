//! About how much memory a row of learned state takes: a walk over all that is stored of it.
//!
//! Knows what the parts of a row take in memory by their types, with the usual spare room of lists and tables; it allocates nothing
//! and depends on nothing but the row, so that the same rows weigh the same on every run. It is an estimate: tests
//! hold it against what the allocator counts (`benches/tests`).

use std::fmt;

use serde::Serialize;
use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Bytes of memory that `row` takes with all it holds.
///
/// Types whose stored form is another one than that in memory tell it apart by [`Serializer::is_human_readable`]: rows
/// are stored as text and weighed as bytes.
pub(crate) fn weigh(row: &impl Serialize) -> usize {
    let mut scale = Scale(0);
    // A scale refuses nothing.
    let _ = row.serialize(&mut scale);
    scale.0
}

/// Length, capacity and address of a string or a list.
const HEADER: usize = 24;
/// What an allocation takes beside its bytes: sizes are rounded up.
const ALLOCATION: usize = 8;
/// Spare room of lists and tables, in quarters of what is in them: they grow by doubling, and many grow no more.
const SPARE: usize = 1;
/// Places that a table of one entry has room for (those of the standard library's B-trees have eleven), and what each takes at least.
const PLACES: usize = 11;
const PLACE: usize = 24;
/// Room of a field that holds nothing now.
const NOTHING: usize = 8;
/// The tag of an enum, or of what may be missing, with its padding.
const TAG: usize = 8;

/// Bytes so far.
struct Scale(usize);

impl Scale {
    fn heap(&mut self, bytes: usize) {
        self.0 += HEADER;
        if bytes > 0 {
            self.0 += ALLOCATION + bytes;
        }
    }
}

/// A list, table or struct whose parts began when so much had been weighed.
struct Parts<'a> {
    scale: &'a mut Scale,
    before: usize,
    /// Whether they lie in an allocation of their own with room to grow.
    grows: bool,
    /// Entries of a table so far.
    entries: usize,
}

impl Parts<'_> {
    fn part(&mut self, part: &(impl Serialize + ?Sized)) -> Result<(), Never> {
        part.serialize(&mut *self.scale)
    }

    fn ended(self) -> Result<(), Never> {
        if self.entries > 0 {
            self.scale.0 += PLACES.saturating_sub(self.entries) * PLACE;
        }
        let held = self.scale.0 - self.before;
        if self.grows {
            self.scale.heap(held / 4 * SPARE);
        } else {
            // Structs are as large as the largest of their parts wants.
            self.scale.0 += held.next_multiple_of(4) - held;
        }
        Ok(())
    }
}

/// A scale refuses nothing; serde asks for an error all the same.
#[derive(Debug)]
struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot be weighed")
    }
}

impl std::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! sized {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, _: $type) -> Result<(), Never> {
            self.0 += size_of::<$type>();
            Ok(())
        })*
    };
}

impl<'a> Serializer for &'a mut Scale {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    sized! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char
    }

    fn serialize_str(self, text: &str) -> Result<(), Never> {
        self.heap(text.len());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Never> {
        self.heap(bytes.len());
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.0 += NOTHING;
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
        self.0 += TAG;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Never> {
        self.0 += 1;
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.0 += TAG;
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Never> {
        Ok(self.parts(true))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Never> {
        Ok(self.parts(false))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Never> {
        Ok(self.parts(false))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Never> {
        self.0 += TAG;
        Ok(self.parts(false))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Never> {
        Ok(self.parts(true))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Never> {
        Ok(self.parts(false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Never> {
        self.0 += TAG;
        Ok(self.parts(false))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, text: &T) -> Result<(), Never> {
        /// Counts what would be written.
        struct Length(usize);
        impl fmt::Write for Length {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0 += text.len();
                Ok(())
            }
        }
        let mut length = Length(0);
        let _ = fmt::write(&mut length, format_args!("{text}"));
        self.heap(length.0);
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl Scale {
    fn parts(&mut self, grows: bool) -> Parts<'_> {
        let before = self.0;
        Parts {
            scale: self,
            before,
            grows,
            entries: 0,
        }
    }
}

macro_rules! parts {
    ($($of:ident: $name:ident),*) => {
        $(impl $of for Parts<'_> {
            type Ok = ();
            type Error = Never;

            fn $name<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Never> {
                self.part(part)
            }

            fn end(self) -> Result<(), Never> {
                self.ended()
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

macro_rules! named {
    ($($of:ident),*) => {
        $(impl $of for Parts<'_> {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, part: &T) -> Result<(), Never> {
                self.part(part)
            }

            fn skip_field(&mut self, _: &'static str) -> Result<(), Never> {
                self.scale.0 += NOTHING;
                Ok(())
            }

            fn end(self) -> Result<(), Never> {
                self.ended()
            }
        })*
    };
}

named!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        self.entries += 1;
        self.part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.part(value)
    }

    fn end(self) -> Result<(), Never> {
        self.ended()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_held_is_weighed_and_more_of_it_weighs_more() {
        assert_eq!(weigh(&7_u64), 8);
        assert_eq!(weigh(&(1_u16, 2_u32)), 8);
        assert_eq!(weigh(&String::new()), HEADER);
        let text = "a".repeat(1000);
        assert!((1000..1100).contains(&weigh(&text)));
        let list: Vec<u64> = (0..1000).collect();
        assert!((8000..12_000).contains(&weigh(&list)));
        let map: BTreeMap<u64, String> = (0..100).map(|n| (n, text.clone())).collect();
        assert!((100_000..200_000).contains(&weigh(&map)), "{}", weigh(&map));
        assert!(weigh(&Some(list)) > weigh(&None::<Vec<u64>>));
    }
}
