//! Ten APIs as public ones are, each a few lines: what all kinds of documents about them must come to.
//!
//! A line is an operation: method, path with parameters in braces, then names in the query (`q=`), in headers (`h=`), a
//! body (`b=json:` or `b=form:` with its fields), statuses (`s=`), `old` for a deprecated one.

/// An API.
pub(super) struct Api {
    pub(super) name: &'static str,
    pub(super) host: &'static str,
    pub(super) base: &'static str,
    /// `bearer`, `basic`, `apikey` or nothing.
    pub(super) auth: &'static str,
    pub(super) operations: Vec<Line>,
}

/// One operation.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) body: Option<(String, Vec<String>)>,
    pub(super) statuses: Vec<u16>,
    pub(super) deprecated: bool,
}

impl Line {
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut out = Self {
            method: words.next().unwrap().to_owned(),
            path: words.next().unwrap().to_owned(),
            statuses: vec![200],
            ..Self::default()
        };
        for word in words {
            match word.split_once('=') {
                Some(("q", names)) => out.query = list(names),
                Some(("h", names)) => out.headers = list(names),
                Some(("b", body)) => {
                    let (kind, fields) = body.split_once(':').unwrap();
                    out.body = Some((kind.to_owned(), list(fields)));
                }
                Some(("s", codes)) => out.statuses = codes.split(',').map(|c| c.parse().unwrap()).collect(),
                None if word == "old" => out.deprecated = true,
                _ => panic!("{text}"),
            }
        }
        out
    }

    /// Names of the parameters in the path.
    pub(super) fn parameters(&self) -> Vec<String> {
        let parts = self.path.split('{').skip(1);
        parts
            .map(|part| part.split('}').next().unwrap().to_owned())
            .collect()
    }

    /// A path as a caller sends it.
    pub(super) fn concrete(&self) -> String {
        let mut out = String::new();
        for (number, part) in self.path.split('{').enumerate() {
            if number == 0 {
                out.push_str(part);
            } else {
                let (name, rest) = part.split_once('}').unwrap();
                out.push_str(if name == "format" { "pdf" } else { "40713" });
                out.push_str(rest);
            }
        }
        out
    }
}

fn api(name: &'static str, host: &'static str, base: &'static str, auth: &'static str, lines: &str) -> Api {
    let lines = lines.lines().map(str::trim).filter(|l| !l.is_empty());
    Api {
        name,
        host,
        base,
        auth,
        operations: lines.map(Line::parse).collect(),
    }
}

/// All ten, with the number of operations counted by hand (the sixth by its rule).
pub(super) fn all() -> Vec<(Api, usize)> {
    vec![
        (pets(), 13),
        (payments(), 11),
        (bank(), 12),
        (hospital(), 14),
        (verbs(), 12),
        (forge(), 6 * 60 + 1),
        (forms(), 10),
        (insurance(), 9),
        (library(), 10),
        (weather(), 8),
    ]
}

fn pets() -> Api {
    let lines = "
        GET /pet/findByStatus q=status s=200,400
        GET /pet/findByTags q=tags s=200,400 old
        POST /pet b=json:name,photoUrls,status s=200,405
        PUT /pet b=json:name,photoUrls,status s=200,400,404,405
        GET /pet/{petId} s=200,400,404
        POST /pet/{petId} b=form:name,status s=200,405
        DELETE /pet/{petId} h=api_key s=200,400,404
        GET /store/inventory
        POST /store/order b=json:petId,quantity s=200,400
        GET /store/order/{orderId} s=200,404
        POST /user b=json:username,email s=200
        GET /user/login q=username,password s=200,400
        GET /user/{username} s=200,404
    ";
    api("Pets", "pets.example.com", "/v2", "apikey", lines)
}

fn payments() -> Api {
    let lines = "
        POST /payments h=Idempotency-Key b=json:amount,currency,reference s=201,400,409,422
        GET /payments q=from,to,limit s=200
        GET /payments/{paymentId} s=200,404
        POST /payments/{paymentId}/capture b=json:amount s=200,409
        POST /payments/{paymentId}/cancel s=200,409
        POST /payments/{paymentId}/refunds h=Idempotency-Key b=json:amount,reason s=201,422
        GET /payments/{paymentId}/refunds/{refundId} s=200,404
        GET /methods s=200
        POST /webhooks b=json:url,events s=201
        DELETE /webhooks/{webhookId} s=204
        GET /balance s=200 old
    ";
    api("Payments", "payments.example.com", "", "bearer", lines)
}

fn bank() -> Api {
    let lines = "
        GET /accounts q=type,page s=200
        GET /accounts/{accountId} s=200,403,404
        GET /accounts/{accountId}/balances s=200
        GET /accounts/{accountId}/transactions q=from,to s=200
        GET /accounts/{accountId}/statements/{statementId} s=200
        GET /accounts/{accountId}/statements/{statementId}/file.{format} s=200
        POST /transfers b=json:from,to,amount s=201,402
        GET /transfers/{transferId} s=200
        POST /domestic/consents b=json:permissions s=201
        GET /domestic/consents/{consentId} s=200
        DELETE /domestic/consents/{consentId} s=204
        GET /limits s=200
    ";
    api("Bank", "openbanking.example.com", "/open/v3.1", "bearer", lines)
}

fn hospital() -> Api {
    let lines = "
        GET /metadata s=200
        GET /Patient q=family,given,birthdate,identifier s=200
        POST /Patient b=json:resourceType,name s=201
        GET /Patient/{id} s=200,404,410
        PUT /Patient/{id} b=json:resourceType,name s=200
        DELETE /Patient/{id} s=204
        GET /Patient/{id}/$everything q=start,end s=200
        GET /Patient/{id}/_history s=200
        GET /Patient/{id}/_history/{version} s=200
        GET /Observation q=patient,code,date s=200
        GET /Observation/{id} s=200
        POST /Observation/_search b=form:patient,code s=200
        POST /Encounter b=json:resourceType,status s=201
        GET /Encounter/{id} s=200
    ";
    api("Hospital", "fhir.example.org", "/fhir/R4", "bearer", lines)
}

fn verbs() -> Api {
    let lines = "
        GET /projects q=pageSize,pageToken s=200
        GET /projects/{project} s=200
        POST /projects/{project}:undelete s=200
        POST /projects/{project}:move b=json:destination s=200
        GET /projects/{project}/topics s=200
        PUT /projects/{project}/topics/{topic} s=200
        POST /projects/{project}/topics/{topic}:publish b=json:messages s=200
        DELETE /projects/{project}/topics/{topic} s=204
        GET /projects/{project}/operations/{operation} s=200
        POST /projects/{project}/operations/{operation}:cancel s=200
        POST /images:annotate b=json:requests s=200
        POST /files:upload s=200
    ";
    api("Verbs", "topics.example.com", "/v1", "bearer", lines)
}

/// Sixty kinds of things in repositories with six operations each.
fn forge() -> Api {
    let kinds = [
        "issues",
        "pulls",
        "commits",
        "branches",
        "tags",
        "releases",
        "labels",
        "milestones",
        "hooks",
        "keys",
    ];
    let below = ["comments", "events", "reviews", "assets", "checks", "runs"];
    let mut lines = String::from("GET /rate_limit s=200\n");
    for kind in kinds {
        for below in below {
            let list = format!("/repos/{{owner}}/{{repo}}/{kind}/{{number}}/{below}");
            for (method, path, rest) in [
                ("GET", list.clone(), "q=per_page,page s=200,304"),
                ("POST", list.clone(), "b=json:title,body s=201,422"),
                ("GET", format!("{list}/{{id}}"), "s=200,404"),
                ("PATCH", format!("{list}/{{id}}"), "b=json:title s=200"),
                ("DELETE", format!("{list}/{{id}}"), "s=204"),
                ("PUT", format!("{list}/{{id}}/lock"), "s=204 old"),
            ] {
                lines += &format!("{method} {path} {rest}\n");
            }
        }
    }
    api("Forge", "api.forge.example", "", "bearer", &lines)
}

fn forms() -> Api {
    let lines = "
        POST /customers b=form:email,name,description s=200,402
        GET /customers q=limit,starting_after s=200
        GET /customers/{customer} s=200
        POST /customers/{customer} b=form:email,balance s=200
        DELETE /customers/{customer} s=200
        POST /charges b=form:amount,currency,source s=200,402
        GET /charges/search q=query,limit s=200
        GET /charges/{charge} s=200
        POST /charges/{charge}/capture b=form:amount s=200
        POST /invoices/{invoice}/pay b=form:source s=200
    ";
    api("Forms", "charges.example.com", "/v1", "basic", lines)
}

fn insurance() -> Api {
    let lines = "
        GET /policies q=holder,status s=200
        POST /policies b=json:holder,product,start s=201,400
        GET /policies/{policyId} s=200,404
        PATCH /policies/{policyId} b=json:status s=200
        POST /policies/{policyId}/claims b=json:date,amount,documents s=201
        GET /policies/{policyId}/claims/{claimId} s=200
        GET /quotes/{quoteId} s=200
        POST /quotes b=json:product,age s=201
        GET /products s=200
    ";
    api("Insurance", "insurance.example.net", "/api", "apikey", lines)
}

fn library() -> Api {
    let lines = "
        GET /books q=author,title s=200
        GET /books/{isbn} s=200,404
        POST /books b=json:title,authors s=201
        GET /books/{isbn}/copies s=200
        POST /books/{isbn}/copies/{copy}/loan b=json:member s=201,409
        DELETE /books/{isbn}/copies/{copy}/loan s=204
        GET /members/me s=200
        GET /members/{member} s=200
        GET /members/{member}/loans s=200
        HEAD /books/{isbn} s=200
    ";
    api("Library", "library.example.edu", "/catalogue/v1", "", lines)
}

fn weather() -> Api {
    let lines = "
        GET /current q=latitude,longitude,units s=200,429
        GET /forecast q=latitude,longitude,days s=200
        GET /stations s=200
        GET /stations/{station} s=200
        GET /stations/{station}/readings q=from,to s=200
        POST /stations/{station}/readings b=json:temperature,pressure s=202
        GET /alerts q=region s=200 old
        OPTIONS /alerts s=204
    ";
    api("Weather", "weather.example.io", "/data/2.5", "apikey", lines)
}
