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

#[test]
fn escapes_of_json_are_read_as_rfc_8259_has_them() {
    let title = |escaped: &str| {
        let text =
            format!("{{\"openapi\": \"3.1.0\", \"info\": {{\"title\": \"{escaped}\"}}, \"paths\": {{}}}}");
        let spec = load("a.json", &text);
        (spec.title.unwrap(), spec.problems.len())
    };
    for (escaped, want) in [
        ("\\ud83d\\ude00", ("😀", 0)),
        ("\\uD800\\uDC00", ("\u{10000}", 0)),
        ("\\uDBFF\\uDFFF.", ("\u{10ffff}.", 0)),
        ("a\\u00e4\\\"\\/\\\\", ("aä\"/\\", 0)),
        // Halves of a pair are no character, but no mistake of grammar either.
        ("x\\ud83dy", ("x\u{fffd}y", 0)),
        ("x\\ude00y", ("x\u{fffd}y", 0)),
        ("\\ud83d\\u0041", ("\u{fffd}A", 0)),
        ("\\x41", ("x41", 1)),
        ("\\u12", ("12", 1)),
    ] {
        let (title, problems) = title(escaped);
        assert_eq!((title.as_str(), problems), want, "{escaped}");
    }
}

#[test]
fn a_parameter_of_an_operation_stands_for_that_of_its_path() {
    let documents = [
        "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    parameters: [{name: x, in: query, required: true, schema: {type: string}}, {name: y, in: query}]
    get: {parameters: [{name: x, in: query, schema: {type: integer}}, {name: x, in: header}]}
",
        "\
swagger: '2.0'
info: {title: t, version: '1'}
paths:
  /a:
    parameters: [{name: x, in: query, required: true, type: string}, {name: y, in: query, type: string}]
    get:
      parameters: [{name: x, in: query, type: integer}, {name: x, in: header, type: string}]
      responses: {200: {description: ok}}
",
    ];
    for text in documents {
        let spec = load("a.yaml", text);
        assert_eq!(told(&spec), "");
        let operation = &spec.operations[0];
        let found = operation.parameter(&spec.schemas, Place::Query, "x").unwrap();
        assert!(!found.required);
        assert_eq!(spec.schemas.shape(&[found.schema.unwrap()]).types, Types::INTEGER);
        assert_eq!(operation.parameters.len(), 3);
    }
}

#[test]
fn a_schema_that_is_all_of_itself_says_what_its_other_parts_say() {
    let spec = load(
        "a.yaml",
        "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a: {get: {parameters: [{name: x, in: query, schema: {$ref: '#/components/schemas/A'}}]}}
components:
  schemas:
    A: {allOf: [{$ref: '#/components/schemas/A'}, {type: object, properties: {a: {type: string}}}]}
",
    );
    assert_eq!(told(&spec), "");
    let shape = spec
        .schemas
        .shape(&[spec.operations[0].parameters[0].schema.unwrap()]);
    assert!(!shape.partial && shape.types == Types::OBJECT && shape.properties["a"].len() == 1);
}

#[test]
fn characters_that_no_document_may_hold_are_told_where_they_are() {
    let check = |name: &str, bytes: &[u8], want: (u32, u32)| {
        let spec = read(name, bytes, &Limits::default());
        assert_eq!(spec.title.as_deref(), Some("a\u{fffd}b"), "{}", told(&spec));
        assert_eq!(spec.operations.len(), 1);
        let [problem] = spec.problems.as_slice() else {
            panic!("{}", told(&spec));
        };
        assert_eq!((problem.line, problem.column), want, "{problem}");
    };
    let yaml = |sign: &[u8]| {
        let rest = b"b, version: '1'}\npaths: {/a: {get: {}}}\n".as_slice();
        [b"openapi: 3.1.0\ninfo: {title: a".as_slice(), sign, rest].concat()
    };
    check("a.yaml", &yaml(b"\0"), (2, 16));
    check("a.yaml", &yaml(b"\xff"), (2, 16));
    check("a.yaml", &yaml(b"\xc3"), (2, 16));
    let json = |sign: &[u8]| {
        let rest = b"b\"},\n\"paths\": {\"/a\": {\"get\": {}}}}".as_slice();
        [
            b"{\"openapi\": \"3.1.0\",\n\"info\": {\"title\": \"a".as_slice(),
            sign,
            rest,
        ]
        .concat()
    };
    check("a.json", &json(b"\0"), (2, 21));
    check("a.json", &json(b"\xff"), (2, 21));
    // Half of a pair of UTF-16.
    let text = "\u{feff}openapi: 3.1.0\ninfo: {title: aXb, version: '1'}\npaths: {/a: {get: {}}}\n";
    let units = text
        .encode_utf16()
        .map(|unit| if unit == u16::from(b'X') { 0xd800 } else { unit });
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    check("a.yaml", &bytes, (2, 16));
}

#[test]
fn fields_of_a_form_become_a_body_that_stands_where_the_first_of_them_does() {
    let spec = load(
        "a.yaml",
        "\
swagger: '2.0'
info: {title: t, version: '1'}
consumes: [multipart/form-data]
paths:
  /a:
    post:
      parameters:
        - {name: x, in: query, type: string}
        - {name: note, in: formData, type: string}
        - {name: scan, in: formData, type: file, required: true}
      responses: {200: {description: ok}}
",
    );
    assert_eq!(told(&spec), "");
    let body = spec.operations[0].body.as_ref().unwrap();
    assert!(body.required);
    assert_eq!(
        (body.at.line, body.content[0].media_type.as_str()),
        (9, "multipart/form-data")
    );
    let shape = spec.schemas.shape(&[body.content[0].schema.unwrap()]);
    assert_eq!(shape.required.into_iter().collect::<Vec<_>>(), ["scan"]);
    assert_eq!(shape.properties.len(), 2);
}

#[test]
fn the_address_of_a_hook_in_a_variable_is_a_path_and_not_kept() {
    let collection = |value: &str| {
        let text = serde_json::json!({
            "info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
            "variable": [{"key": "base", "value": value}],
            "item": [{"name": "a", "request": {"method": "POST", "url": "{{base}}/send"}}],
        });
        load("c.json", &text.to_string())
    };
    let spec = collection("https://hooks.example.com/services/9fK2xQ7LmZ81pRtVb4Yc0sWd");
    assert!(!format!("{spec:?}").contains("9fK2x"), "{}", outline(&spec));
    assert_eq!(spec.operations[0].path.as_str(), "/services/{token}/send");
    let spec = collection("https://api.example.com/v2/eu");
    assert_eq!(spec.servers[0].targets[0].base, "/v2/eu");
    assert_eq!(spec.operations[0].path.as_str(), "/send");
}
