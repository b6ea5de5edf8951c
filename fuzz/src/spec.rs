//! Specifications of any form: sound ones with their parts changed, and any bytes.
//!
//! An input is pieces of the languages that are read (OpenAPI, Swagger, Postman, HAR, in JSON and YAML), put together in any
//! order, with any text between them. Asserted besides the usual: problems are located and within their limit, everything
//! that an operation refers to is there, and looking up, with paths of the document itself and with others, comes to an end
//! and finds an operation of the method that was asked for.

use analyzers::spec::{Index, Limits, Lookup, Spec, read};
use arbitrary::Arbitrary;

use crate::memory::Account;

/// Pieces of documents. Lines, so that they make YAML; many also make JSON.
const PIECES: [&str; 64] = [
    "openapi: 3.0.3\n",
    "openapi: 3.1.0\n",
    "swagger: '2.0'\n",
    "info: {title: x, version: '1', x-owner: me}\n",
    "servers: [{url: 'https://{env}.example.com/{base}', variables: {env: {default: a, enum: [a, b]}, base: {default: v1}}}]\n",
    "servers:\n  - url: /v1\n",
    "host: example.com\nbasePath: /v2\nschemes: [https]\n",
    "paths:\n",
    "  /users/{id}:\n",
    "  /files/{path+}:\n",
    "  /a/{b}.json:\n",
    "  /{x}/{y}:\n",
    "    get:\n",
    "    post: {}\n",
    "    parameters: [{name: id, in: path, required: true, schema: {type: integer}}]\n",
    "      parameters:\n        - {name: q, in: query, style: deepObject, schema: {type: object}}\n",
    "      deprecated: true\n      x-sunset: '2026-01-01'\n",
    "      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}\n",
    "      responses: {'200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}}\n",
    "      responses: {2XX: {$ref: '#/components/responses/R'}, default: {description: x}}\n",
    "      security: [{k: []}, {}]\n",
    "components:\n  schemas:\n",
    "    A: {type: object, required: [a], properties: {a: {$ref: '#/components/schemas/B'}, b: {type: [string, 'null']}}}\n",
    "    B: {allOf: [{$ref: '#/components/schemas/A'}, {oneOf: [{type: string}, {$ref: '#/components/schemas/B'}]}]}\n",
    "    C: {type: array, items: {$ref: '#/components/schemas/C'}, additionalProperties: false, nullable: true}\n",
    "  responses: {R: {description: r, headers: {Sunset: {schema: {type: string}}}}}\n",
    "  securitySchemes: {k: {type: apiKey, in: query, name: key}}\n",
    "    $ref: '#/paths/~1users~1{id}'\n",
    "    $ref: 'other.yaml#/x'\n",
    "x: &a [1, 2, {b: c}]\ny: *a\nz: &z {<<: *z}\n",
    "{\"info\":{\"name\":\"c\",\"schema\":\"https://schema.getpostman.com/json/collection/v2.1.0/collection.json\"},",
    "\"item\":[{\"name\":\"f\",\"item\":[{\"name\":\"r\",\"request\":{\"method\":\"GET\",\"url\":\"https://{{host}}/a/:id?x=1\"}}]}],",
    "\"variable\":[{\"key\":\"host\",\"value\":\"api.example.com\"}]}",
    "{\"log\":{\"version\":\"1.2\",\"entries\":[",
    "{\"request\":{\"method\":\"POST\",\"url\":\"https://api.example.com/b/42?y=2\",\"headers\":[]},\"response\":{\"status\":201}},",
    "]}}",
    "{\"openapi\":\"3.0.0\",\"paths\":{\"/j/{k}\":{\"get\":{\"responses\":{\"200\":{\"description\":\"\"}}}}}}",
    "{\"collection\":",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "'",
    "\n",
    "  ",
    "    ",
    "- ",
    "# comment\n",
    "---\n",
    "...\n",
    "|\n  text\n",
    ">-\n  folded\n",
    "null",
    "1e999",
    "\\u0000",
    "\u{feff}",
    "%YAML 1.2\n",
    "!!binary ",
    "? ",
    "<<: ",
    "\t",
];

/// A document.
#[derive(Debug, Clone, Arbitrary)]
pub struct Input {
    parts: Vec<Part>,
    /// What the file is called.
    yaml: Option<bool>,
    /// Limits are tiny.
    tiny: bool,
    /// A path to look up.
    path: String,
}

#[derive(Debug, Clone, Arbitrary)]
enum Part {
    Piece(u8),
    Bytes(Vec<u8>),
    /// The piece again and again.
    Many(u8, u8),
}

/// Reads a document, twice, and looks up what it declares.
pub fn check(input: &Input) {
    let mut bytes = Vec::new();
    for part in &input.parts {
        let piece = |number: &u8| PIECES[usize::from(*number) % PIECES.len()].as_bytes();
        match part {
            Part::Piece(number) => bytes.extend_from_slice(piece(number)),
            Part::Bytes(own) => bytes.extend_from_slice(own),
            Part::Many(number, times) => (0..*times).for_each(|_| bytes.extend_from_slice(piece(number))),
        }
    }
    let name = match input.yaml {
        None => "x",
        Some(true) => "x.yaml",
        Some(false) => "x.json",
    };
    let limits = if input.tiny {
        Limits {
            bytes: 4096,
            nodes: 200,
            depth: 12,
            operations: 3,
            schemas: 8,
            problems: 4,
        }
    } else {
        Limits::default()
    };
    let mut account = Account::default();
    let spec = account.charge(|| read(name, &bytes, &limits));
    let most = account.peak();
    // A value of a document takes at most some hundreds of bytes, and the smallest value one byte of text.
    let allowed = (1 << 20) + bytes.len() * 2_048;
    assert!(most <= allowed, "{most} bytes for a document of {}", bytes.len());
    assert!(spec.problems.len() <= limits.problems);
    assert!(spec.operations.len() <= limits.operations && spec.schemas.len() <= limits.schemas);
    let lines = bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count() + 64;
    for problem in &spec.problems {
        assert!(problem.line >= 1 && problem.column >= 1, "{problem}");
        assert!((problem.line as usize) <= lines, "{problem}");
        assert!(
            !problem.message.is_empty() && problem.message.len() < 4096,
            "{problem}"
        );
        assert!(!problem.message.chars().any(char::is_control), "{problem:?}");
    }
    assert!(
        spec == read(name, &bytes, &limits),
        "one document gave two answers"
    );
    refer(&spec);
    find(spec, &input.path);
}

/// Everything that operations refer to is there.
fn refer(spec: &Spec) {
    for operation in &spec.operations {
        assert!(!operation.servers.is_empty(), "an operation without a server");
        assert!(
            operation
                .servers
                .iter()
                .all(|server| *server < spec.servers.len())
        );
        let bodies = operation.body.iter().flat_map(|body| &body.content);
        let answers = operation.responses.iter().flat_map(|response| &response.content);
        let schemas = bodies.chain(answers).filter_map(|media| media.schema);
        for id in schemas.chain(operation.parameters.iter().filter_map(|p| p.schema)) {
            assert!(spec.schemas.get(id).is_some(), "a schema that is not there");
            let shape = spec.schemas.shape(&[id]);
            assert!(
                shape
                    .properties
                    .values()
                    .flatten()
                    .all(|id| spec.schemas.get(*id).is_some())
            );
        }
    }
}

/// What is declared is found, and what is found is of the method asked for.
fn find(spec: Spec, other: &str) {
    let paths: Vec<(String, String)> = spec
        .operations
        .iter()
        .take(50)
        .map(|o| (o.method.clone(), o.path.as_str().to_owned()))
        .collect();
    let mut index = Index::default();
    index.add(spec, &[analyzers::spec::HostPattern::new("h")]);
    // And with a method that hardly any document declares: what is there is of others.
    let asked = paths
        .iter()
        .flat_map(|(m, p)| [(m.as_str(), p.as_str()), ("TRACE", p.as_str())]);
    for (method, path) in asked.chain([("GET", other), ("POST", "/v1/a/b/c")]) {
        match index.lookup(method, "h", path) {
            Lookup::Operation(found) => {
                let of = found.operation.method.as_str();
                assert!(of == method || of.is_empty(), "{of} for {method} {path}");
                let _ = found.template();
            }
            Lookup::OtherMethods(all) => assert!(all.iter().all(|found| found.operation.method != method)),
            _ => {}
        }
    }
}
