//! Lines as clients send them, and what becomes of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::call::{Call, Caller, Parser};
use super::{Failure, MAX_REQUEST, Request, answer};
use crate::cli::coord::JournalVerb;
use crate::cli::{Noun, lock, run, state};
use crate::surface;

fn call(method: &str, params: &Value, caller: &Caller) -> Result<Call, Failure> {
    let line = json!({ "id": 1, "method": method, "params": params }).to_string();
    let request = Request::read(line.as_bytes()).unwrap();
    Parser::get().read(&request, caller)
}

fn here() -> Caller {
    Caller::default()
}

#[track_caller]
fn refusal(method: &str, params: &Value) -> Failure {
    match call(method, params, &here()) {
        Err(failure) => failure,
        Ok(call) => panic!("{:?}", call.cli),
    }
}

fn set(params: &Value) -> state::Set {
    let call = call("state.set", params, &here()).unwrap();
    match call.cli.noun {
        Noun::State(verb) => match verb.0 {
            state::Verb::Set(set) => set,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_is_a_request_or_says_what_is_wrong_with_it() {
    for (line, id, message) in [
        (&b"\0\0"[..], "null", "the line is not JSON"),
        (b"\xff", "null", "the line is not UTF-8"),
        (b"[]", "null", "the line is not a JSON object"),
        (b"{\"id\":1", "null", "the line is not JSON"),
        (b"{\"id\":7}", "7", "there is no `method`"),
        (b"{\"id\":[1, \"x\"],\"method\":3}", "[1, \"x\"]", "`method` is not a string"),
        (b"{\"id\":1,\"method\":\"m\",\"params\":[]}", "1", "`params` is not an object"),
        (b"{\"id\":1,\"method\":\"m\",\"method\":\"n\"}", "1", "a member stands there twice"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}", "1", "a request has the members"),
    ] {
        let (found, failure) = Request::read(line).unwrap_err();
        assert_eq!(found.map_or("null", serde_json::value::RawValue::get), id);
        assert_eq!(failure.code, "bad_request");
        assert!(failure.message.starts_with(message), "{failure:?}");
    }
    let request = Request::read(b"{\"method\":\"a\\u002eb\",\"params\":null}\r").unwrap();
    assert!(request.id.is_none() && request.params.0.is_empty());
    assert_eq!(request.method, "a.b");
}

#[test]
fn a_line_of_the_longest_size_with_as_many_members_as_fit_is_refused_by_name() {
    let members: Vec<String> = (0..90_000).map(|n| format!("\"p{n}\":1")).collect();
    let params = members.join(",");
    let line = format!("{{\"id\":1,\"method\":\"state.get\",\"params\":{{{params}}}}}");
    assert!((MAX_REQUEST / 10 * 8..MAX_REQUEST).contains(&line.len()), "{}", line.len());
    let request = Request::read(line.as_bytes()).unwrap();
    let Err(failure) = Parser::get().read(&request, &here()) else { panic!("it was taken") };
    assert!(failure.message.contains("p0"), "{failure:?}");
}

#[test]
fn an_answer_gives_the_id_back_as_it_was() {
    let line = b"{\"id\": 10000000000000000000000000000001 ,\"method\":\"stats\"}";
    let request = Request::read(line).unwrap();
    assert_eq!(
        answer(request.id, Ok("[]")),
        "{\"id\":10000000000000000000000000000001,\"result\":[]}\n"
    );
    let failure = Failure::new("held", "it is held").with_data(json!({ "resource": "r" }));
    assert_eq!(
        answer(None, Err(&failure)),
        "{\"id\":null,\"error\":{\"code\":\"held\",\"message\":\"it is held\",\"data\":{\"resource\":\"r\"}}}\n"
    );
}

#[test]
fn every_callable_method_is_found_and_the_others_say_that_they_are_not_callable() {
    for method in surface::methods(&surface::tree()) {
        let Err(failure) = call(&method.name, &json!({ "no such": 1 }), &here()) else {
            panic!("{} takes anything", method.name);
        };
        let code = if method.facts.is_callable() { "usage" } else { "not_callable" };
        assert_eq!(failure.code, code, "{}", method.name);
    }
    assert_eq!(refusal("state.nope", &json!({})).code, "no_method");
    assert_eq!(refusal("lock", &json!({})).code, "no_method");
    assert_eq!(refusal("events", &json!({ "follow": true })).code, "not_callable");
}

#[test]
fn a_value_keeps_its_type_and_a_string_is_never_guessed_at() {
    for value in ["42", "-", "--", "-x", "true", "", "{\"a\":1}", "=", "--json"] {
        let set = set(&json!({ "agent": "a", "key": "k", "value": value }));
        assert!(set.json_value);
        assert_eq!(set.value, json!(value).to_string());
    }
    for value in [json!(42), json!(-1), json!(true), json!({ "a": [null] }), json!([1, "x"])] {
        let set = set(&json!({ "agent": "a", "key": "k", "value": value }));
        assert_eq!(set.value, value.to_string());
    }
    let text = set(&json!({ "agent": "a", "key": "k", "value": "-5", "string": true }));
    assert!(text.string && text.value == "-5");
    let text = set(&json!({ "agent": "a", "key": "k", "value": "{}", "json_value": true }));
    assert!(text.json_value && text.value == "{}");
}

#[test]
fn what_stdin_gives_a_command_line_is_a_parameter() {
    let params = json!({ "agent": "a", "key": "k", "input": "from stdin\n" });
    assert_eq!(call("state.set", &params, &here()).unwrap().input.unwrap(), b"from stdin\n");
    assert_eq!(set(&params).value, "-");
    let params = json!({ "path": "/f", "if_version": "absent", "content_hex": "00fF" });
    assert_eq!(call("file.put", &params, &here()).unwrap().input.unwrap(), [0, 255]);
    for wrong in [
        json!({ "agent": "a", "key": "k", "value": 1, "input": "x" }),
        json!({ "agent": "a", "key": "k" }),
    ] {
        assert_eq!(refusal("state.set", &wrong).code, "usage");
    }
    for wrong in [
        json!({ "path": "/f", "if_version": "absent" }),
        json!({ "path": "/f", "if_version": "absent", "content_hex": "0" }),
        json!({ "path": "/f", "if_version": "absent", "content_hex": "0g" }),
        json!({ "path": "/f", "if_version": "absent", "content": "", "content_hex": "" }),
    ] {
        assert_eq!(refusal("file.put", &wrong).code, "usage");
    }
}

#[test]
fn parameters_of_the_wrong_kind_are_refused_and_null_is_absent() {
    let held = |params: Value| refusal("lock.acquire", &params).message;
    assert!(held(json!({ "resource": "r" })).ends_with("it needs `agent`"));
    assert!(held(json!({ "resource": "r", "agent": null })).ends_with("it needs `agent`"));
    assert!(held(json!({ "resource": ["r"], "agent": "a" })).ends_with("no list and no object"));
    let shared = json!({ "resource": "r", "agent": "a", "shared": "yes" });
    assert!(held(shared).ends_with("`shared` is true or false"));
    let unknown = refusal("lock.acquire", &json!({ "ressource": "r" }));
    assert!(unknown.message.contains("it has no `ressource`; it has `resource`, `agent`"));
    assert_eq!(unknown.data.unwrap()["unknown"], json!(["ressource"]));
    let params =
        json!({ "resource": "r", "agent": "a", "ttl": 90, "shared": false, "reason": null });
    assert!(call("lock.acquire", &params, &here()).is_ok());
}

#[test]
fn the_run_of_a_request_stands_in_it_or_is_that_of_the_caller() {
    let caller = Caller { run: Some("outer".to_owned()), is_elsewhere: false };
    let heartbeat = |params: &Value, caller: &Caller| {
        let call = call("run.heartbeat", params, caller).unwrap();
        match call.cli.noun {
            Noun::Run(verb) => match verb.0 {
                run::Verb::Heartbeat(args) => (args.run.to_string(), call.run.unwrap_or_default()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let pair = |one: &str, two: &str| (one.to_owned(), two.to_owned());
    assert_eq!(heartbeat(&json!({}), &caller), pair("outer", "outer"));
    assert_eq!(heartbeat(&json!({ "run_id": "own" }), &caller), pair("own", "own"));
    assert_eq!(heartbeat(&json!({ "run": "r" }), &caller), pair("r", "outer"));
    assert_eq!(refusal("run.heartbeat", &json!({})).code, "usage");
}

#[test]
fn a_caller_with_another_directory_names_whole_paths() {
    let elsewhere = Caller { run: None, is_elsewhere: true };
    let code = |method: &str, params: Value| {
        call(method, &params, &elsewhere).err().map(|failure| failure.code)
    };
    assert_eq!(code("file.get", json!({ "path": "f" })), Some("usage"));
    assert_eq!(code("file.get", json!({ "path": "/f" })), None);
    assert_eq!(code("backup", json!({ "file": "f.db" })), Some("usage"));
    assert_eq!(code("lock.check", json!({ "resource": "f", "path": true })), Some("usage"));
    assert_eq!(code("lock.check", json!({ "resource": "f" })), None);
}

/// Any text, with those that mean something to a command line more often.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<String>(),
        1 => "-{0,3}[a-z=]{0,4}",
        1 => Just("--".to_owned()),
        1 => Just("--json".to_owned()),
        1 => Just("--db=/tmp/x".to_owned()),
    ]
}

/// Any JSON, not very deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_arrives_as_it_was_sent(entry in text(), reason in text()) {
        let params = json!({ "agent": "a", "category": "c", "text": entry });
        let call = call("journal.add", &params, &here()).unwrap();
        let Noun::Journal(verb) = call.cli.noun else { panic!() };
        let JournalVerb::Add(add) = verb.0 else { panic!() };
        prop_assert_eq!(add.text, json!(entry).to_string());
        prop_assert!(call.cli.database.db.is_none() && call.cli.output.json);

        let params = json!({ "resource": "r", "agent": "a", "reason": reason });
        match self::call("lock.acquire", &params, &here()) {
            Ok(call) => {
                let Noun::Lock(verb) = call.cli.noun else { panic!() };
                let lock::Verb::Acquire(acquire) = verb.0 else { panic!() };
                prop_assert_eq!(acquire.terms.reason.map(|name| name.to_string()), Some(reason));
                prop_assert!(!acquire.terms.shared && !acquire.terms.path);
            }
            Err(failure) => {
                prop_assert!(reason.parse::<common::name::Name>().is_err(), "{:?}", failure);
                prop_assert_eq!(failure.code, "usage");
            }
        }
    }

    #[test]
    fn whatever_the_parameters_are_the_command_is_the_one_that_was_named(
        at in any::<prop::sample::Index>(),
        values in proptest::collection::vec(value(), 8),
    ) {
        let methods = surface::methods(&surface::tree());
        let method = at.get(&methods);
        let params: serde_json::Map<String, Value> = method
            .params
            .iter()
            .map(|param| param.name.clone())
            .zip(values)
            .collect();
        match call(&method.name, &Value::Object(params), &here()) {
            Ok(call) => {
                let noun = format!("{:?}", call.cli.noun).to_lowercase();
                let first = method.words[0].replace('-', "");
                prop_assert!(noun.starts_with(&first), "{} became {}", method.name, noun);
                prop_assert!(call.cli.database.db.is_none() && call.cli.output.json);
            }
            Err(failure) => prop_assert!(matches!(failure.code, "usage" | "not_callable")),
        }
    }

    #[test]
    fn whatever_the_line_is_the_answer_is_one_line_of_json(line in proptest::collection::vec(any::<u8>(), 0..64)) {
        if line.len() <= MAX_REQUEST && !line.contains(&b'\n') {
            let text = match Request::read(&line) {
                Ok(request) => answer(request.id, Ok("null")),
                Err((id, failure)) => answer(id, Err(&failure)),
            };
            prop_assert!(text.ends_with('\n') && text.matches('\n').count() == 1);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
