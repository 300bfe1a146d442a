//! The table as an AsyncAPI 3.0 document, for tools and for other languages.
//! <https://www.asyncapi.com/docs/reference/specification/v3.0.0>

use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use protocol::backbone::Command;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::table::{LINES, Line, ROOT};

/// The document, as pretty JSON with a final line break.
pub fn document() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = "/components/schemas".into();
    let mut parts = Parts::new(settings.into_generator());
    LINES.iter().for_each(|line| parts.add(line));
    let document = parts.assemble();
    format!("{document:#}\n")
}

/// The document's parts as they grow line by line.
struct Parts {
    generator: SchemaGenerator,
    envelope: Schema,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    replies: Map<String, Value>,
}

impl Parts {
    fn new(mut generator: SchemaGenerator) -> Self {
        let envelope = generator.subschema_for::<Command<Map<String, Value>>>();
        let mut parts = Self {
            generator,
            envelope,
            channels: Map::new(),
            operations: Map::new(),
            messages: Map::new(),
            replies: Map::new(),
        };
        parts.messages.insert("Failure".to_owned(), failure());
        parts.replies.insert("Failure".to_owned(), link("components/messages", "Failure"));
        parts
    }

    fn add(&mut self, line: &Line) {
        let channel = line.subject.replace(".*.", ".").replace('.', "_");
        let message = bare(line.name);
        let schema = (line.schema)(&mut self.generator);
        let mut operation = json!({
            "action": if line.reply.is_some() { "receive" } else { "send" },
            "channel": link("channels", &channel),
            "messages": [link(&format!("channels/{channel}/messages"), message)],
        });
        let payload = match &line.reply {
            None => json!(schema),
            Some(reply) => {
                let reply_schema = (reply.schema)(&mut self.generator);
                let reply = bare(reply.name);
                self.messages.insert(reply.to_owned(), json!({ "payload": reply_schema }));
                self.replies.insert(reply.to_owned(), link("components/messages", reply));
                set(&mut operation, "reply", answered(reply));
                json!({ "allOf": [self.envelope, schema] })
            }
        };
        let described = json!({ "payload": payload, "x-version": line.version });
        self.messages.insert(message.to_owned(), described);
        self.channels.insert(channel.clone(), self::channel(line, message));
        self.operations.insert(channel, operation);
    }

    fn assemble(mut self) -> Value {
        let replies = json!({
            "address": null,
            "description": "The subject that the request names for its answer.",
            "messages": self.replies,
        });
        self.channels.insert("reply".to_owned(), replies);
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Waystone backbone",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": env!("CARGO_PKG_LICENSE") },
                "description": "What Waystone's servers say to each other over NATS. What is \
                    received here is a request that is answered; what is sent is an event. Every \
                    request takes the fields of `Command` beside its own. `x-version` is the \
                    version of a message's shape.",
            },
            "defaultContentType": "application/json",
            "channels": self.channels,
            "operations": self.operations,
            "components": {
                "schemas": self.generator.take_definitions(true),
                "messages": self.messages,
            },
        })
    }
}

fn channel(line: &Line, message: &str) -> Value {
    let mut parameters = json!({ "realm": { "description": "The world, such as `main`." } });
    if line.subject.contains('*') {
        set(&mut parameters, "id", json!({ "description": "The id of the server that is meant." }));
    }
    json!({
        "address": format!("{ROOT}.{{realm}}.{}", line.subject.replace('*', "{id}")),
        "parameters": parameters,
        "messages": { message: link("components/messages", message) },
    })
}

fn answered(reply: &str) -> Value {
    let either = [reply, "Failure"].map(|name| link("channels/reply/messages", name));
    json!({ "channel": link("channels", "reply"), "messages": either })
}

/// How a request is refused: in headers, with an empty body.
fn failure() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "summary": "The request failed.",
        "headers": {
            "type": "object",
            "required": [NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE],
            "properties": {
                NATS_SERVICE_ERROR: text("`code: message`, such as `map_full: try again later`."),
                NATS_SERVICE_ERROR_CODE: text("A number in the manner of HTTP, such as `503`."),
            },
        },
    })
}

/// A type's name without its path.
fn bare(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn link(place: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{place}/{name}") })
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_DOCS=1 cargo test -p waystone-nats` writes it anew.
    #[test]
    fn the_committed_document_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol/backbone.asyncapi.json");
        let document = document();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == document,
            "{path} is stale: run UPDATE_DOCS=1 cargo test -p waystone-nats"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_line_is_there() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                let found = target.strip_prefix('#').and_then(|path| document.pointer(path));
                assert!(found.is_some(), "{target} leads nowhere");
            }
            match value {
                Value::Object(fields) => open.extend(fields.values()),
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        assert_eq!(document["operations"].as_object().unwrap().len(), LINES.len());
        let start = &document["channels"]["spawner_start"];
        assert_eq!(start["address"], "mmo.v1.{realm}.spawner.{id}.start");
    }
}
