//! A [`Command`] as bytes, with its head beside the body.
//!
//! Serde's own way to read a flattened type takes every field out into a map first, which costs
//! thrice as much as this: the body is read straight from the text, and what is the head's is
//! taken out of its way.

use std::borrow::Cow;

use bytes::Bytes;
use protocol::{RequestId, backbone::Command};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor, value},
    forward_to_deserialize_any,
};

/// What stands beside the body; what each means is said in [`Command`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) deadline_ms: Option<u64>,
}

/// Writes a command.
///
/// # Errors
/// A body that is no JSON object.
pub(crate) fn write<R: Serialize>(body: R, head: Head) -> serde_json::Result<Bytes> {
    let Head { request_id, deadline_ms } = head;
    serde_json::to_vec(&Command { body, request_id, deadline_ms }).map(Bytes::from)
}

/// Reads a command.
///
/// # Errors
/// Text that is none of this body, and where.
pub(crate) fn read<R: DeserializeOwned>(command: &[u8]) -> serde_json::Result<(R, Head)> {
    let mut text = serde_json::Deserializer::from_slice(command);
    let mut head = Head::default();
    let body = R::deserialize(Apart { inner: &mut text, head: &mut head })?;
    text.end()?;
    Ok((body, head))
}

/// Shows all fields but the head's, which it keeps: as the text first, then as its map.
struct Apart<'h, T> {
    inner: T,
    head: &'h mut Head,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Apart<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Apart { inner: visitor, head: self.head })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Apart<'_, V> {
    type Value = V::Value;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(out)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Apart { inner: fields, head: self.head })
    }
}

/// A field's name, without a copy where the text has it as it is.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Apart<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Name(name)) = self.inner.next_key()? {
            match &*name {
                "request_id" => self.head.request_id = self.inner.next_value()?,
                "deadline_ms" => self.head.deadline_ms = self.inner.next_value()?,
                _ => {
                    let name: value::CowStrDeserializer<'_, A::Error> = name.into_deserializer();
                    return seed.deserialize(name).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Greet {
        name: String,
        #[serde(default)]
        times: Option<u32>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "what", rename_all = "snake_case")]
    enum Order {
        Greet(Greet),
        Leave,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Ask {}

    fn head(deadline_ms: Option<u64>) -> Head {
        Head { request_id: Some(RequestId::new()), deadline_ms }
    }

    /// As serde's own way, which is what the document on the backbone is made from.
    fn comes_back<R: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(body: R) {
        for head in [Head::default(), head(None), head(Some(7))] {
            let same = Head { ..head };
            let text = write(&body, head).unwrap();
            let flat: Command<R> = serde_json::from_slice(&text).unwrap();
            assert_eq!(read::<R>(&text).unwrap(), (flat.body, same));
        }
    }

    #[test]
    fn a_body_and_its_head_come_back_from_one_text() {
        comes_back(Greet { name: "a \"quoted\" name".to_owned(), times: Some(3) });
        comes_back(Order::Greet(Greet { name: "Ada".to_owned(), times: None }));
        comes_back(Order::Leave);
        comes_back(Ask {});
    }

    #[test]
    fn the_head_may_stand_anywhere_and_what_is_typed_by_hand_has_none() {
        let typed =
            br#"{ "deadline_ms": 5, "na\u006de": "Ada", "request_id": null, "later": [1] }"#;
        let (greet, head) = read::<Greet>(typed).unwrap();
        assert_eq!(greet, Greet { name: "Ada".to_owned(), times: None });
        assert_eq!(head, Head { request_id: None, deadline_ms: Some(5) });
        assert_eq!(read::<Ask>(b"{}").unwrap().1, Head::default());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, what) in [
            (json!({ "times": 1 }).to_string(), "missing field `name`"),
            (json!({ "name": 1 }).to_string(), "expected a string at line 1 column 9"),
            (json!({ "name": "Ada", "deadline_ms": -1 }).to_string(), "invalid value"),
            (json!([1]).to_string(), "invalid type: sequence"),
            (format!("{} more", json!({ "name": "Ada" })), "trailing characters"),
            (String::new(), "EOF"),
        ] {
            let error = read::<Greet>(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
