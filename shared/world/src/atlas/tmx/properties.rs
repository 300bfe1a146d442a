//! The custom properties that Tiled lets authors put on anything.

use serde_json::{Map, Number, Value};
use tiled::{Color, Properties, PropertyValue};

use crate::atlas::error::{PlanError, Spot};

/// All of them, for the game: colours are `#aarrggbb`, classes are objects.
pub(super) fn all(spot: &Spot, properties: &Properties) -> Result<Map<String, Value>, PlanError> {
    properties.iter().map(|(name, value)| Ok((name.clone(), json(spot, name, value)?))).collect()
}

fn json(spot: &Spot, name: &str, value: &PropertyValue) -> Result<Value, PlanError> {
    Ok(match value {
        PropertyValue::BoolValue(value) => Value::Bool(*value),
        PropertyValue::FloatValue(value) => Value::Number(float(spot, name, *value)?),
        PropertyValue::IntValue(value) => (*value).into(),
        PropertyValue::ColorValue(Color { alpha, red, green, blue }) => {
            format!("#{alpha:02x}{red:02x}{green:02x}{blue:02x}").into()
        }
        PropertyValue::StringValue(value) | PropertyValue::FileValue(value) => {
            value.as_str().into()
        }
        PropertyValue::ObjectValue(id) => (*id).into(),
        PropertyValue::ListValue(values) => {
            let values = values.iter().map(|value| json(spot, name, value));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        PropertyValue::ClassValue { properties, .. } => Value::Object(all(spot, properties)?),
    })
}

fn float(spot: &Spot, name: &str, value: f32) -> Result<Number, PlanError> {
    // By way of its text, so that 0.1 stays 0.1 and does not become 0.10000000149.
    let exact = value.to_string().parse().ok();
    exact
        .and_then(Number::from_f64)
        .ok_or_else(|| spot.bad(format!("property `{name}` is {value}; use a finite number")))
}

/// A switch; `None` where it is not given.
pub(super) fn flag(
    spot: &Spot,
    properties: &Properties,
    name: &str,
) -> Result<Option<bool>, PlanError> {
    match properties.get(name) {
        None => Ok(None),
        Some(PropertyValue::BoolValue(value)) => Ok(Some(*value)),
        Some(_) => Err(wrong_type(spot, name, "bool")),
    }
}

/// A number, whole or not.
pub(super) fn number(
    spot: &Spot,
    properties: &Properties,
    name: &str,
) -> Result<Option<f32>, PlanError> {
    match properties.get(name) {
        None => Ok(None),
        Some(PropertyValue::FloatValue(value)) => Ok(Some(*value)),
        Some(PropertyValue::IntValue(value)) => Ok(Some(*value as f32)),
        Some(_) => Err(wrong_type(spot, name, "float")),
    }
}

/// A whole number.
pub(super) fn whole(
    spot: &Spot,
    properties: &Properties,
    name: &str,
) -> Result<Option<i32>, PlanError> {
    match properties.get(name) {
        None => Ok(None),
        Some(PropertyValue::IntValue(value)) => Ok(Some(*value)),
        Some(_) => Err(wrong_type(spot, name, "int")),
    }
}

/// A text.
pub(super) fn text<'map>(
    spot: &Spot,
    properties: &'map Properties,
    name: &str,
) -> Result<Option<&'map str>, PlanError> {
    match properties.get(name) {
        None => Ok(None),
        Some(PropertyValue::StringValue(value)) => Ok(Some(value)),
        Some(_) => Err(wrong_type(spot, name, "string")),
    }
}

fn wrong_type(spot: &Spot, name: &str, wanted: &str) -> PlanError {
    spot.bad(format!("property `{name}` is no {wanted}; change its type in Tiled"))
}
