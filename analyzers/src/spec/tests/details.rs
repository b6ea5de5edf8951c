//! What is kept of a declaration, and that two ways of writing it come to the same.

use super::*;

/// A document in which each feature comes once.
const YAML: &str = "\
openapi: 3.1.0
info:
  title: Ledger
  version: 2024-11-01
  contact: {name: Ledger Team, email: ledger@example.com}
x-owner: team-ledger
tags:
  - {name: entries, x-owner: team-entries}
security: [{key: []}]
paths:
  /entries:
    $ref: '#/components/pathItems/Entries'
  /entries/{id}:
    parameters:
      - {$ref: '#/components/parameters/Id'}
    get: &get
      tags: [entries]
      deprecated: true
      x-sunset: 2026-12-31
      parameters:
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - name: page
          in: query
          schema: {type: object, properties: {number: {type: integer}, size: {type: integer}}}
        - {name: tag, in: query, schema: {type: array, items: {type: string}}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: Accept, in: header, schema: {type: string}}
      security: [{}, {key: [], other: [read]}]
      callbacks:
        done: {'{$request.query.url}': {post: {}, put: {}}}
      responses:
        '200':
          description: found
          headers: {Sunset: {schema: {type: string}}}
          content:
            application/json: {schema: {$ref: '#/components/schemas/Entry'}}
            text/*: {}
        4XX: {description: not found}
        default: {description: anything}
    put:
      <<: *get
      x-owner: {team: team-writers}
      deprecated: false
      security: []
components:
  parameters:
    Id: {name: id, in: path, required: true, schema: {type: [string, integer]}}
  pathItems:
    Entries: {post: {requestBody: {$ref: '#/components/requestBodies/Entry'}}}
  requestBodies:
    Entry: {required: true, content: {application/json; charset=utf-8: {schema: {$ref: '#/components/schemas/Entry'}}}}
  schemas:
    Entry:
      allOf:
        - {type: object, required: [id], properties: {id: {type: string, x-pii: true}}, additionalProperties: false}
        - $ref: '#named'
      oneOf:
        - {type: object, required: [amount, kind], properties: {amount: {type: number}, kind: {const: debit}}}
        - {type: object, required: [kind], properties: {kind: {enum: [credit]}, note: {type: [string, 'null']}}}
    Named:
      $anchor: named
      type: object
      properties:
        above: {$ref: '#/components/schemas/Entry'}
        labels: {type: object, additionalProperties: {type: string}}
  securitySchemes:
    key: {type: apiKey, in: query, name: api_key}
    other: {type: oauth2, flows: {}}
webhooks:
  closed: {post: {}}
";

#[test]
fn every_part_of_a_declaration_is_kept() {
    let spec = load("ledger.yaml", YAML);
    assert_eq!(told(&spec), "");
    assert_eq!(
        (spec.title.as_deref(), spec.version.as_deref()),
        (Some("Ledger"), Some("2024-11-01"))
    );
    assert_eq!(
        spec.contact.as_ref().and_then(Contact::shown),
        Some("Ledger Team")
    );
    // Two operations of the callback are counted for each of the two that declare it.
    assert_eq!((spec.counts.webhooks, spec.counts.callbacks), (1, 4));
    let [post, get, put] = spec.operations.as_slice() else {
        panic!("{}", outline(&spec));
    };
    assert_eq!((post.method.as_str(), post.path.as_str()), ("POST", "/entries"));
    assert_eq!(post.pointer, "/components/pathItems/Entries/post");
    assert_eq!(
        (get.at.line, get.pointer.as_str()),
        (16, "/paths/~1entries~1{id}/get")
    );
    assert_eq!(spec.owner_of(post), Some("team-ledger"));
    assert_eq!(spec.owner_of(get), Some("team-entries"));
    assert_eq!(spec.owner_of(put), Some("team-writers"));
    assert!(get.deprecated && !put.deprecated);
    assert_eq!(
        get.sunset.as_ref().and_then(|s| s.unix_seconds),
        Some(1_798_675_200)
    );
    assert!(get.declares_sunset && !post.declares_sunset);
    let required = |o: &Operation| o.security.as_ref().map(Security::is_required);
    assert_eq!(
        (required(post), required(get), required(put)),
        (Some(true), Some(false), Some(false))
    );
    assert_eq!(get.security.as_ref().unwrap().any_of[1][1].scopes, ["read"]);

    let of = |place, name: &str| get.parameter(&spec.schemas, place, name).map(|p| p.name.as_str());
    for (name, want) in [
        ("filter[status]", Some("filter")),
        ("filter", Some("filter")),
        ("filterx", None),
        ("size", Some("page")),
        ("number", Some("page")),
        ("tag", Some("tag")),
        ("tag[]", Some("tag")),
        ("other", None),
    ] {
        assert_eq!(of(Place::Query, name), want, "{name}");
    }
    assert_eq!(of(Place::Header, "x-trace"), Some("X-Trace"));
    assert_eq!(of(Place::Header, "accept"), None);

    let status = |code| get.response(code).map(|r| r.status);
    assert_eq!(status(200), Some(StatusPattern::Exact(200)));
    assert_eq!(status(404), Some(StatusPattern::Class(4)));
    assert_eq!(status(500), Some(StatusPattern::Default));
    let content = &get.response(200).unwrap().content;
    let found = |text| media(content, text).map(|m| m.media_type.as_str());
    assert_eq!(found("Application/JSON; charset=utf-8"), Some("application/json"));
    assert_eq!(found("text/csv"), Some("text/*"));
    assert_eq!(found("image/png"), None);
}

#[test]
fn a_shape_puts_together_what_all_schemas_say_of_a_level() {
    let spec = load("ledger.yaml", YAML);
    let body = spec.operations[0].body.as_ref().unwrap();
    assert!(body.required);
    let entry = media(&body.content, "application/json").unwrap().schema.unwrap();
    let shape = spec.schemas.shape(&[entry]);
    assert_eq!(
        shape.properties.keys().copied().collect::<Vec<_>>(),
        ["above", "amount", "id", "kind", "labels", "note"]
    );
    // `id` always, `kind` in both alternatives, `amount` in one.
    assert_eq!(shape.required.iter().copied().collect::<Vec<_>>(), ["id", "kind"]);
    assert_eq!(shape.types, Types::OBJECT);
    assert!(shape.closed && !shape.is_free_object() && !shape.partial);
    let kind = spec.schemas.shape(&shape.properties["kind"]);
    assert_eq!(
        kind.enumeration.unwrap().into_iter().collect::<Vec<_>>(),
        ["credit", "debit"]
    );
    let note = spec.schemas.shape(&shape.properties["note"]);
    assert!(
        note.types.allows(Types::NULL)
            && note.types.allows(Types::STRING)
            && !note.types.allows(Types::ARRAY)
    );
    assert_eq!(
        spec.schemas.shape(&shape.properties["id"]).sensitive,
        Some("true")
    );
    let amount = spec.schemas.shape(&shape.properties["amount"]);
    assert!(amount.types.allows(Types::INTEGER));
    let labels = spec.schemas.shape(&shape.properties["labels"]);
    assert!(labels.open && labels.is_free_object() && labels.additional.len() == 1);
    // What it contains of itself is the same schema, not a copy.
    assert_eq!(shape.properties["above"], [entry]);
    assert!(spec.schemas.len() < 30);
}

#[test]
fn schemas_that_lead_only_to_themselves_and_wide_ones_end() {
    let mut text = String::from(
        "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get: {responses: {200: {description: x, \
         content: {application/json: {schema: {$ref: '#/components/schemas/S0'}}}}}}\ncomponents:\n  schemas:\n",
    );
    // Every schema is all of, and any of, all others.
    for number in 0..40 {
        let others = (0..40).map(|n| format!("{{$ref: '#/components/schemas/S{n}'}}"));
        let others = others.collect::<Vec<_>>().join(", ");
        text += &format!(
            "    S{number}: {{allOf: [{others}], anyOf: [{others}], properties: {{p{number}: {{type: string}}}}}}\n"
        );
    }
    let spec = load("a.yaml", &text);
    assert_eq!(told(&spec), "");
    let schema = spec.operations[0].responses[0].content[0].schema.unwrap();
    let shape = spec.schemas.shape(&[schema]);
    assert!(shape.partial && shape.properties.contains_key("p0") && shape.properties.len() <= 40);
}

#[test]
fn nullable_is_allowed_beside_a_reference_and_without() {
    let spec = load(
        "a.yaml",
        "\
openapi: 3.0.0
info: {title: t, version: '1'}
paths:
  /a:
    get:
      parameters:
        - {name: one, in: query, schema: {type: string, nullable: true}}
        - {name: two, in: query, schema: {$ref: '#/components/schemas/S', nullable: true}}
        - {name: three, in: query, schema: {$ref: '#/components/schemas/S'}}
        - {name: four, in: query, content: {application/json: {schema: {type: integer}}}}
      responses: {}
components: {schemas: {S: {type: string, format: date}}}
",
    );
    assert_eq!(told(&spec), "");
    let types = |n: usize| {
        let parameter = &spec.operations[0].parameters[n];
        format!("{:?}", spec.schemas.shape(&[parameter.schema.unwrap()]).types)
    };
    assert_eq!(
        [types(0), types(1), types(2), types(3)],
        ["null|string", "null|string", "string", "integer"]
    );
}

#[test]
fn auth_of_a_collection_is_inherited_until_it_is_said_otherwise() {
    let spec = load(
        "c.json",
        r#"{"info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json", "version": "7"},
  "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "canary"}]},
  "variable": [{"key": "host", "value": "api.example.com"}, {"key": "version", "value": "v3"}, {"key": "who", "value": "alice"}],
  "item": [
    {"name": "top", "request": {"method": "GET", "url": "https://{{host}}/{{version}}/users/{{who}}"}},
    {"name": "open", "auth": {"type": "noauth"}, "item": [
      {"name": "inherits", "request": {"method": "GET", "url": {"protocol": "https", "host": ["{{host}}"], "port": "8443", "path": ["a", {"type": "string", "value": ":b"}]}}},
      {"name": "own", "request": {"auth": {"type": "apikey", "apikey": [{"key": "key", "value": "api_key"}, {"key": "in", "value": "query"}]},
        "method": "POST", "url": "https://{{host}}/a/:b?x=canary", "body": {"mode": "formdata", "formdata": [{"key": "file", "type": "file"}]}}}
    ]},
    {"name": "again", "request": {"method": "GET", "url": "https://{{host}}/v3/users/:id", "auth": {"type": "noauth"}}},
    {"name": "tried out", "request": {"method": "GET", "url": "https://{{host}}/v3/users/4711/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6"}}
  ]}"#,
    );
    assert_eq!(told(&spec), "");
    assert!(!format!("{spec:?}").contains("canary"));
    insta::assert_snapshot!(outline(&spec));
    assert_eq!(spec.operations[0].requests, 2);
    assert_eq!(spec.operations[1].tags, ["open"]);
    let key = SecurityScheme::ApiKey {
        place: Place::Query,
        name: "api_key".to_owned(),
    };
    assert_eq!(spec.security_schemes["apikey api_key"], key);
}

#[test]
fn nothing_of_an_archive_is_kept_that_could_be_a_value() {
    let spec = load(
        "a.har",
        r#"{"log": {"entries": [
  {"request": {"method": "GET", "url": "https://user:canary@api.example.com:443/users/jane.canary@example.com/cards/4111111111111111?token=canary&canary-0123456789abcdef0123456789abcdef=1"},
   "response": {"status": 200, "headers": [{"name": "X-Request-Id", "value": "canary"}, {"name": "Set-Cookie", "value": "canary"}],
     "content": {"mimeType": "application/json", "text": "{\"jane.canary@example.com\": 1, \"4111111111111111\": {\"id\": \"canary\"}, \"name\": \"canary\"}"}}},
  {"request": {"method": "POST", "url": "http://api.example.com/login", "postData": {"mimeType": "application/x-www-form-urlencoded", "text": "user=canary&password=canary"}},
   "response": {"status": 0}},
  {"request": {"method": "POST", "url": "http://api.example.com/login", "postData": {"mimeType": "text/plain", "text": "canary"}},
   "response": {"status": 200, "content": {"mimeType": "image/png", "encoding": "base64", "text": "Y2FuYXJ5"}}},
  {"request": {"method": "GET", "url": "data:text/plain,canary"}, "response": {"status": 200}}
]}}"#,
    );
    assert_eq!(told(&spec), "");
    let all = format!("{spec:?}");
    assert!(
        !all.contains("canary") && !all.contains("4111") && !all.contains("Y2Fu"),
        "{all}"
    );
    insta::assert_snapshot!(outline(&spec));
    assert_eq!((spec.counts.requests, spec.counts.requests_dropped), (4, 1));
}

#[test]
fn secrets_in_urls_of_servers_are_not_kept_and_messages_hold_no_values() {
    let spec = load(
        "a.yaml",
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\nservers: [{url: 'https://me:canary@api.example.com/v1?key=canary'}]\npaths: {/a: {get: {}}}\n",
    );
    assert!(!format!("{spec:?}").contains("canary"), "{}", told(&spec));
    assert_eq!(spec.problems.len(), 1);
}

#[test]
fn messages_about_damaged_collections_and_archives_hold_no_values() {
    let damaged = [
        r#"{"log": {"entries": [{"request": {"method": "GET", "url": "https://api.example.com/a", "headers": [{"name": "Authorization", "value": "Bearer "canary"}]}}]}}"#,
        r#"{"log": {"entries": [{"request": {"method": "canary canary", "url": "canary", "canary": {"canary": 1, "canary": 2}}}]}}"#,
        r#"{"log": {"entries": [{"request": {"method": "GET", "url": "https://api.example.com/a"}, "response": {"status": "canary", "content": {"text": canary}}}]}}"#,
        r#"{"info": {"schema": "https://schema.getpostman.com/json/collection/v2.1.0/"}, "item": [{"name": "a", "request": {"method": "canary 1", "url": {"host": canary}}}, {"request": "https://canary canary/"}]}"#,
        "info: {schema: v2.1}\nitem: [{request: *canary, name: !canary x, canary: [canary, 'canary]}]\n",
        "canary: &canary {canary: 1, canary: 2\n",
    ];
    for text in damaged {
        for name in ["a.json", "a.yaml", "a.har"] {
            let spec = load(name, text);
            assert!(!told(&spec).contains("canary"), "{text}\n{}", told(&spec));
            assert!(!spec.problems.is_empty(), "{name}: {text}");
        }
    }
}
