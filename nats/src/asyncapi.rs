//! The table as an AsyncAPI 3.0 document, for tools and for other languages.
//! <https://www.asyncapi.com/docs/reference/specification/v3.0.0>

use protocol::backbone::Command;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::table::{LINES, Line, ROOT};

/// The document, as pretty JSON with a final line break.
pub fn document() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let envelope = generator.subschema_for::<Command<Map<String, Value>>>();
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for line in LINES {
        describe(line, &mut generator, &mut channels, &mut operations);
    }
    let schemas = generator.take_definitions(true);
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waystone backbone",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What Waystone's servers say to each other over NATS. Every request \
                also takes the fields of `Command`: a request id (a repeated one gets the first \
                answer) and a deadline. Errors come in the headers Nats-Service-Error \
                (`code: message`) and Nats-Service-Error-Code.",
        },
        "channels": channels,
        "operations": operations,
        "components": { "schemas": schemas, "messages": { "Command": { "payload": envelope } } },
    });
    format!("{document:#}\n")
}

fn describe(
    line: &Line,
    generator: &mut SchemaGenerator,
    channels: &mut Map<String, Value>,
    operations: &mut Map<String, Value>,
) {
    let name = line.subject.replace(".*.", ".").replace('.', "_");
    let bare = |path: &'static str| path.rsplit("::").next().unwrap_or(path);
    let schema = (line.schema)(generator);
    let mut messages = json!({ bare(line.name): { "payload": schema, "x-version": line.version } });
    let mut operation = json!({
        "action": if line.reply.is_some() { "receive" } else { "send" },
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{}", bare(line.name)) }],
    });
    if let Some(reply) = &line.reply {
        let schema = (reply.schema)(generator);
        if let Some(messages) = messages.as_object_mut() {
            messages.insert(bare(reply.name).to_owned(), json!({ "payload": schema }));
        }
        if let Some(operation) = operation.as_object_mut() {
            let target = format!("#/channels/{name}/messages/{}", bare(reply.name));
            operation.insert("reply".to_owned(), json!({ "messages": [{ "$ref": target }] }));
        }
    }
    let address = format!("{ROOT}.{{realm}}.{}", line.subject.replace('*', "{id}"));
    let mut parameters = json!({ "realm": { "description": "The world, such as `main`." } });
    if let Some(parameters) = parameters.as_object_mut().filter(|_| line.subject.contains('*')) {
        parameters.insert("id".to_owned(), json!({ "description": "The server that is meant." }));
    }
    let channel = json!({ "address": address, "parameters": parameters, "messages": messages });
    channels.insert(name.clone(), channel);
    operations.insert(name, operation);
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
}
