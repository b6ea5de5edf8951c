//! Forty documents with something wrong in each: what is told of it, where, and what of the rest is used.
//!
//! The lines beside each were counted by hand; the messages are in the snapshot.

use std::fmt::Write;

use super::*;

/// Name of the document, lines of the problems, operations that are left, text.
type Case = (&'static str, &'static [u32], usize, &'static str);

#[test]
fn forty_malformed_documents_tell_where_and_the_rest_is_used() {
    let (mut out, mut wrong) = (String::new(), String::new());
    for (name, lines, operations, text) in CASES {
        let spec = load(name, text);
        let found: Vec<u32> = spec.problems.iter().map(|p| p.line).collect();
        writeln!(out, "{name} ({} operations)", spec.operations.len()).unwrap();
        for problem in &spec.problems {
            writeln!(out, "  {problem}").unwrap();
        }
        if (found.as_slice(), spec.operations.len()) != (*lines, *operations) {
            writeln!(
                wrong,
                "{name}: {found:?} {}, not {lines:?} {operations}",
                spec.operations.len()
            )
            .unwrap();
        }
        for problem in &spec.problems {
            let line = text.lines().nth(problem.line as usize - 1).unwrap_or("");
            assert!(
                problem.column as usize <= line.chars().count() + 1,
                "{name}: {problem}"
            );
        }
    }
    assert_eq!(CASES.len(), 40);
    assert_eq!(wrong, "", "{out}");
    insta::assert_snapshot!(out);
}

const CASES: &[Case] = &[
    // Grammar of YAML.
    ("tab.yaml", &[4], 1, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
\t/a: {get: {}}
  /b: {get: {}}
"),
    ("colon.yaml", &[6], 2, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    get: {}
  /b
    get: {}
  /c:
    get: {}
"),
    ("quote.yaml", &[3, 4], 2, "\
openapi: 3.1.0
info:
  version: '1'
  title: \"Things
paths:
  /a: {get: {}}
  /b: {get: {}}
"),
    ("indent.yaml", &[7], 2, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    get:
      summary: x
     description: between two levels
  /b:
    get: {}
"),
    ("bracket.yaml", &[5], 2, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    get: {tags: [one, two}
    put: {}
  /b: {get: {}}
"),
    ("alias.yaml", &[5], 2, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a: &a {get: {}}
  /b: *b
  /c: *a
"),
    ("itself.yaml", &[4], 0, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths: &p
  /a: *p
"),
    ("twice.yaml", &[5, 7], 3, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a: {get: {}}
  /a: {put: {}}
  /b: {get: {}}
---
openapi: 3.1.0
"),
    ("at.yaml", &[1, 2], 1, "\
openapi: 3.1.0
info: {title: @t, version: '1'}
paths:
  /a: {get: {}}
"),
    // Grammar of JSON.
    ("comma.json", &[4, 5], 2, r#"{
  "openapi": "3.1.0",
  "info": {"title": "t", "version": "1"}
  "paths": {
    "/a": {"get": {}} "/b": {"get": {}}
  }
}"#),
    ("trailing.json", &[3, 5], 1, r#"{
  "openapi": "3.1.0",
  "info": {"title": "t", "version": "1",},
  "paths": {
    "/a": {"get": {}},
  }
}"#),
    ("comment.json", &[2, 5], 1, r#"{
  // which version
  "openapi": "3.1.0",
  "info": {"title": "t", "version": "1"},
  "paths": {"/a": {"get": {}}} /* all
of them */
}"#),
    ("single.json", &[2, 3, 3], 1, r#"{
  'openapi': "3.1.0",
  info: {"title": 't', "version": "1"},
  "paths": {"/a": {"get": {}}}
}"#),
    ("open.json", &[3], 2, r#"{
  "openapi": "3.1.0",
  "info": {"title": "Things, "version": "1"},
  "paths": {"/a": {"get": {}}, "/b": {"get": {}}}
}"#),
    ("cut.json", &[6], 2, r#"{
  "openapi": "3.1.0",
  "info": {"title": "t", "version": "1"},
  "paths": {
    "/a": {"get": {}},
    "/b": {"get": {"#),
    ("mixed.json", &[5], 2, r#"{
  "openapi": "3.1.0",
  "info": {"title": "t", "version": "1"},
  "paths": {
    "/a": {"get": {"tags": ["x"}},
    "/b": {"get": {}}
  }
}"#),
    ("escape.json", &[3], 1, r#"{
  "openapi": "3.1.0",
  "info": {"title": "C:\data", "version": "1"},
  "paths": {"/a": {"get": {}}}
}"#),
    ("behind.json", &[2], 1, r#"{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {}}}}
{"openapi": "3.1.0"}"#),
    // What the document is.
    ("empty.yaml", &[1], 0, ""),
    ("list.yaml", &[1], 0, "- a\n- b\n"),
    ("nothing.yaml", &[1], 0, "title: t\nversion: 1\n"),
    ("async.yaml", &[1], 0, "asyncapi: 3.0.0\nchannels: {}\n"),
    ("versionless.yaml", &[1], 1, "info: {title: t, version: '1'}\npaths:\n  /a: {get: {}}\n"),
    ("future.yaml", &[1], 1, "openapi: 4.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {get: {}}\n"),
    ("number.yaml", &[1, 4], 1, "swagger: 2.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {get: {}}\n"),
    // Types of OpenAPI.
    ("infoless.yaml", &[1], 1, "openapi: 3.1.0\npaths:\n  /a: {get: {}}\n"),
    ("paths.yaml", &[3], 0, "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: [/a, /b]\n"),
    ("methods.yaml", &[5, 6, 7], 2, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    fetch: {}
    POST: {}
    put: yes
    get: {}
"),
    ("path.yaml", &[4, 5, 6, 6, 7], 4, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  a: {get: {}}
  /b?x=1: {get: {}}
  '/c/{id': {get: {parameters: [{name: id, in: path, required: true}]}}
  '/d/{}': {get: {}}
"),
    ("parameters.yaml", &[6, 7, 8, 9, 10, 11, 12], 1, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a/{id}:
    get:
      parameters: [{name: id, in: path},
        {name: x, in: body},
        {name: y, in: url},
        {in: query},
        {name: z, in: query, required: 'yes'},
        {name: z, in: query},
        {name: other, in: path, required: true}]
"),
    ("same.yaml", &[5, 6], 3, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  '/a/{id}': {get: {operationId: x, parameters: [{name: id, in: path, required: true}]}}
  '/a/{name}': {get: {parameters: [{name: name, in: path, required: true}]}}
  '/b': {get: {operationId: x}}
"),
    ("statuses.yaml", &[6, 7, 8, 9], 1, "\
openapi: 3.0.0
info: {title: t, version: '1'}
paths:
  /a:
    get: {responses: {200: {description: ok},
      2xx: {description: ok},
      20O: {description: ok},
      600: {description: no},
      404: nothing}}
"),
    ("references.yaml", &[6, 7, 8, 14], 1, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    get:
      parameters: [{$ref: '#/components/parameters/Page'}]
      requestBody: {$ref: 'bodies.yaml#/Body'}
      responses: {200: {$ref: '#/components/responses/A'}}
components:
  responses:
    A: {$ref: '#/components/responses/B'}
    B: {$ref: '#/components/responses/A'}
  securitySchemes:
    key: {$ref: '#/components/nothing'}
"),
    ("schemas.yaml", &[10, 11, 12, 13, 14, 15, 16], 1, "\
openapi: 3.0.0
info: {title: t, version: '1'}
paths:
  /a:
    get: {responses: {200: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}}}
components:
  schemas:
    A:
      properties:
        a: {type: int}
        b: {type: thing}
        c: {type: array}
        d: {type: string, nullable: 'true'}
        e: 7
        f: {type: string, required: true}
        g: {allOf: {type: string}}
"),
    ("servers.yaml", &[4, 5, 6, 8, 10, 11], 1, "\
openapi: 3.1.0
info: {title: t, version: '1'}
servers:
  - url: https://{nowhere}.example.com
  - https://example.com
  - description: no url
  - variables: {v: {default: x, enum: [a, b]}}
    url: https://{v}.example.com
  - variables: {v: {enum: [a, b]}}
    url: https://{v}.example.com
  - url: 'https:///v1'
paths:
  /a: {get: {}}
"),
    ("security.yaml", &[5, 6, 7, 9, 10, 11, 12], 2, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    get: {security: [{missing: []}]}
    put: {security: {known: []},
      deprecated: 1}
components:
  securitySchemes: {a: {type: apikey},
    b: {type: apiKey, in: body, name: X},
    c: {type: apiKey, in: header},
    known: {type: http}}
"),
    ("content.yaml", &[5, 6, 7], 1, "\
openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /a:
    post: {requestBody: {content: {json: {schema: {}}, application/json: {}}},
      x-sunset: soon,
      tags: one}
"),
    ("swagger.yaml", &[3, 4, 8, 10, 12, 14], 2, "\
swagger: '2.0'
info: {title: t, version: '1'}
host: https://api.example.com
basePath: v1
paths:
  /a:
    post:
      parameters: [{name: body, in: body, schema: {}},
        {name: x, in: formData, type: string},
        {name: y, in: query, schema: {type: string}}]
      responses: {200: {description: ok}}
    get: {parameters: [{name: z, in: header, type: string}]}
securityDefinitions:
  a: {type: bearer}
"),
    // Other kinds.
    ("collection.json", &[4, 5, 6, 7, 8, 9, 10], 3, r#"{"info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
  "variable": [{"key": "base", "value": "https://api.example.com"}],
  "item": [
    {"name": "neither"},
    {"name": "no method", "request": {"method": "GET IT", "url": "{{base}}/a"}},
    {"name": "no url", "request": {"method": "GET"}},
    {"name": "no host", "request": {"method": "GET", "url": "{{unknown}}/a"}},
    {"name": "odd body", "request": {"method": "POST", "url": "{{base}}/a", "body": {"mode": "text"}}},
    {"name": "odd auth", "request": {"method": "PUT", "url": "{{base}}/a", "auth": {"type": "magic"}}},
    7
  ]}"#),
    ("archive.har", &[2, 3, 4, 5], 2, r#"{"log": {"entries": [
  {"response": {"status": 200}},
  {"request": {"method": 7, "url": "https://api.example.com/a"}},
  {"request": {"method": "GET", "url": "/a"}},
  {"request": {"method": "GET", "url": "https://api.example.com/b"}, "response": {"status": 1000}},
  {"request": {"method": "GET", "url": "https://api.example.com/c"}, "response": {"status": 200}}
]}}"#),
];
