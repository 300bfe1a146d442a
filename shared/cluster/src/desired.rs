//! Whether what is meant to run makes sense.

use protocol::{
    Code, Failure, MapName,
    backbone::desired::{Desired, DesiredInstances, DesiredMap, StartRules},
};

/// Looks whether what is meant to run can be.
///
/// # Errors
/// [`Code::NotAllowed`], naming the map, what is wrong with it and what would be right.
pub fn check(desired: &Desired) -> Result<(), Failure> {
    for (name, map) in &desired.maps {
        check_map(map).map_err(|why| wrong("maps", name, &why))?;
        if desired.instances.contains_key(name) {
            return Err(wrong("maps", name, "it is among `instances` too; name it in one of them"));
        }
    }
    for (name, instances) in &desired.instances {
        check_instances(instances).map_err(|why| wrong("instances", name, &why))?;
    }
    Ok(())
}

fn check_map(map: &DesiredMap) -> Result<(), String> {
    if map.max_channels == 0 || map.max_channels < map.min_channels {
        return Err(format!(
            "max_channels is {}; it must be at least 1 and at least min_channels, which is {}",
            map.max_channels, map.min_channels
        ));
    }
    check_cap(map.hard_cap)?;
    match (map.soft_cap, map.hard_cap) {
        (Some(0), _) => return Err("soft_cap is 0; it must be at least 1".to_owned()),
        (Some(soft), Some(hard)) if soft > hard => {
            return Err(format!(
                "soft_cap is {soft}; it must not exceed hard_cap, which is {hard}"
            ));
        }
        _ => {}
    }
    check_start(&map.start)
}

fn check_instances(instances: &DesiredInstances) -> Result<(), String> {
    if instances.max == 0 || instances.max < instances.spares {
        return Err(format!(
            "max is {}; it must be at least 1 and at least spares, which is {}",
            instances.max, instances.spares
        ));
    }
    check_cap(instances.hard_cap)?;
    check_start(&instances.start)
}

fn check_cap(cap: Option<u32>) -> Result<(), String> {
    match cap {
        Some(0) => Err("hard_cap is 0; it must be at least 1".to_owned()),
        _ => Ok(()),
    }
}

fn check_start(start: &StartRules) -> Result<(), String> {
    if start.cost == 0 {
        return Err("start.cost is 0; a Map Server takes at least 1 slot".to_owned());
    }
    let restart = start.restart;
    if restart.first_ms == 0 || restart.longest_ms < restart.first_ms {
        return Err(format!(
            "start.restart.longest_ms is {} and first_ms is {}; the first must be at least 1, and \
             the longest no shorter",
            restart.longest_ms, restart.first_ms
        ));
    }
    if restart.crashes_a_minute == 0 {
        return Err("start.restart.crashes_a_minute is 0; use 1 for no restart at all".to_owned());
    }
    Ok(())
}

fn wrong(part: &str, map: &MapName, why: &str) -> Failure {
    Failure::new(Code::NotAllowed, format!("{part}.{map}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        let desired = serde_json::from_str(json).map_err(|error| error.to_string());
        match desired.map(|desired| check(&desired)) {
            Ok(Ok(())) => panic!("{json} was taken"),
            Ok(Err(failure)) => failure.message,
            Err(error) => error,
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (json, says) in [
            (r#"{"maps":{"town":{"min_channels":2,"max_channels":1}}}"#, "maps.town: max_channels"),
            (r#"{"maps":{"town":{"soft_cap":9,"hard_cap":8}}}"#, "not exceed hard_cap, which is 8"),
            (r#"{"maps":{"town":{"hard_cap":0}}}"#, "hard_cap is 0"),
            (r#"{"maps":{"town":{"start":{"cost":0}}}}"#, "start.cost is 0"),
            (r#"{"maps":{"town":{"start":{"restart":{"first_ms":0}}}}}"#, "first_ms is 0"),
            (r#"{"instances":{"crypt":{"spares":3,"max":2}}}"#, "instances.crypt: max is 2"),
            (r#"{"maps":{"crypt":{}},"instances":{"crypt":{}}}"#, "among `instances` too"),
            (r#"{"maps":{"town":{"channels":2}}}"#, "unknown field `channels`"),
        ] {
            let said = refused(json);
            assert!(said.contains(says), "{json}: {said}");
        }
        let fine = r#"{"maps":{"town":{"max_channels":4,"soft_cap":80,"hard_cap":100}},
            "instances":{"crypt":{"spares":1}}}"#;
        assert_eq!(check(&serde_json::from_str(fine).unwrap()), Ok(()));
    }
}
