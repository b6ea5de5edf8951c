//! What there is at Acme: services, stock of orders, payments and tickets, and the tokens of the day.

use std::net::{IpAddr, SocketAddr};

use super::record::{Client, Service};
use crate::rng::Rng;
use crate::text::{jwt, ulid, uuid};
use crate::time::{HOUR, MICRO, MINUTE, SECOND, iso, utc};

/// The capture begins here, Monday noon.
pub(super) const START: u64 = utc(2026, 10, 5, 12, 0);
/// Midnight before Tuesday, the day of the incidents.
pub(super) const TUESDAY: u64 = utc(2026, 10, 6, 0, 0);
/// The capture ends here.
pub(super) const END: u64 = utc(2026, 10, 6, 20, 0);

/// An order.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) at: u64,
    pub(super) customer: u64,
    pub(super) cents: u64,
    pub(super) product: u64,
    pub(super) shipment: String,
}

/// A payment.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) order: u64,
    pub(super) cents: u64,
    pub(super) at: u64,
}

/// A support ticket.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) at: u64,
    pub(super) subject: &'static str,
    pub(super) order: u64,
}

/// Everything that answers are made of.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) orders: Vec<Order>,
    pub(super) payments: Vec<Payment>,
    pub(super) tickets: Vec<Ticket>,
}

const SUBJECTS: [&str; 8] = [
    "Parcel arrived without the lamp shade",
    "Invoice shows the old address",
    "Please cancel my second order",
    "Where is my refund?",
    "Wrong colour delivered",
    "Voucher is not accepted",
    "Can I change the delivery date",
    "Broken glass in the box",
];

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::named(seed, "world");
        let (mut orders, mut payments, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = START - 48 * HOUR;
        let mut id = 10_180;
        while at < END {
            at += rng.range(6 * MINUTE, 34 * MINUTE);
            id += rng.range(1, 5);
            let cents = rng.range(900, 24_000);
            orders.push(Order {
                id,
                at,
                customer: rng.range(2_000, 9_000),
                cents,
                product: rng.range(301, 342),
                shipment: ulid(&mut rng, at),
            });
            payments.push(Payment {
                id: uuid(&mut rng),
                order: id,
                cents,
                at: at + rng.range(5, 90) * SECOND,
            });
            if rng.chance(40) {
                let at = at + rng.range(2, 30) * MINUTE;
                tickets.push(Ticket {
                    id: ulid(&mut rng, at),
                    at,
                    subject: SUBJECTS[rng.range(0, 8) as usize],
                    order: id,
                });
            }
        }
        Self {
            seed,
            orders,
            payments,
            tickets,
        }
    }

    /// The newest orders at a moment, newest first.
    pub(super) fn latest_orders(&self, at: u64, count: usize) -> Vec<&Order> {
        let known = self.orders.iter().rev().filter(|o| o.at < at);
        known.take(count).collect()
    }

    /// The newest payments at a moment, newest first.
    pub(super) fn latest_payments(&self, at: u64, count: usize) -> Vec<&Payment> {
        let known = self.payments.iter().rev().filter(|p| p.at < at);
        known.take(count).collect()
    }

    /// The newest tickets at a moment, newest first.
    pub(super) fn latest_tickets(&self, at: u64, count: usize) -> Vec<&Ticket> {
        let known = self.tickets.iter().rev().filter(|t| t.at < at);
        known.take(count).collect()
    }

    /// The token an agent holds at a moment; it gets a new one every hour, some minutes past.
    pub(super) fn agent_token(&self, agent: &Agent, at: u64) -> String {
        let shift = agent.minute * MINUTE;
        let hour = (at - shift) / HOUR;
        let issued = (hour * HOUR + shift) / SECOND;
        let mut rng = Rng::named(self.seed, &format!("token {} {hour}", agent.id));
        let jti = rng.hex(8);
        let header = format!(r#"{{"alg":"{}"}}"#, agent.algorithm);
        let claims = format!(
            r#"{{"iss":"https://id.acme.example","sub":"{}","client_id":"{}",{},"scope":"{}","iat":{issued},"exp":{},"jti":"{jti}"}}"#,
            agent.subject,
            agent.id,
            agent.marker,
            agent.scope,
            issued + 3600,
        );
        jwt(&mut rng, &header, &claims)
    }

    /// The token of a person who uses the shop's or the desk's pages, good for an hour.
    pub(super) fn person_token(&self, person: &str, client: &str, at: u64) -> String {
        let hour = at / HOUR;
        let mut rng = Rng::named(self.seed, &format!("person {person} {hour}"));
        let issued = at / SECOND - 30;
        let claims = format!(
            r#"{{"iss":"https://id.acme.example","sub":"{}","client_id":"{client}","sub_profile":"user","scope":"openid orders:own","iat":{issued},"exp":{},"jti":"{}"}}"#,
            uuid(&mut Rng::named(self.seed, person)),
            issued + 3600,
            rng.hex(12),
        );
        jwt(&mut rng, r#"{"alg":"HS256"}"#, &claims)
    }

    /// The token of the ERP integration: made years ago, and with no `exp`.
    pub(super) fn integration_token(&self) -> String {
        let claims = r#"{"iss":"https://id.acme.example","sub":"erp-sync","client_id":"erp-sync","sub_profile":"service","scope":"orders:read stock:write","iat":1709251200,"jti":"0b6f77a1c2d9"}"#;
        let mut rng = Rng::named(self.seed, "integration token");
        jwt(&mut rng, r#"{"alg":"HS256","typ":"JWT"}"#, claims)
    }
}

/// An AI agent.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) id: &'static str,
    subject: &'static str,
    /// The claim that says it is an agent.
    marker: &'static str,
    scope: &'static str,
    algorithm: &'static str,
    /// Minutes past the hour at which it renews its token.
    minute: u64,
    addr: [u8; 4],
    software: &'static str,
}

impl Agent {
    pub(super) fn client(&self) -> Client {
        client(self.id, IpAddr::from(self.addr), self.software, 63, 410)
    }
}

pub(super) const REFUND: Agent = Agent {
    id: "refund-agent",
    subject: "agent:refund",
    marker: r#""client_type":"ai-agent""#,
    scope: "orders:read refunds:write",
    algorithm: "HS256",
    minute: 4,
    addr: [10, 30, 7, 21],
    software: "python-httpx/0.28.1",
};

pub(super) const STOCK: Agent = Agent {
    id: "stock-agent",
    subject: "agent:stock",
    marker: r#""client_type":"ai-agent""#,
    scope: "stock:read stock:write mcp",
    algorithm: "HS256",
    minute: 11,
    addr: [10, 30, 7, 22],
    software: "python-httpx/0.28.1",
};

pub(super) const COPILOT: Agent = Agent {
    id: "support-copilot",
    subject: "agent:support",
    marker: r#""sub_profile":"ai_agent""#,
    scope: "tickets:read mcp",
    algorithm: "RS256",
    minute: 37,
    addr: [10, 30, 8, 40],
    software: "copilot-runtime/5.1 node/22.9",
};

pub(super) const FINANCE: Agent = Agent {
    id: "finance-agent",
    subject: "agent:finance",
    marker: r#""sub_profile":"ai_agent""#,
    scope: "payments:read reports:read mcp",
    algorithm: "HS256",
    minute: 22,
    addr: [10, 30, 8, 51],
    software: "ledgerlane-sdk/0.9 go/1.25",
};

/// A client; the round-trip time is in microseconds.
pub(super) fn client(actor: &'static str, addr: IpAddr, agent: &str, ttl: u8, rtt: u64) -> Client {
    Client {
        actor,
        addr,
        agent: agent.to_owned(),
        ttl,
        rtt: rtt * MICRO,
    }
}

/// The services, and where they listen.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) shop: Service,
    pub(super) desk: Service,
    pub(super) orders: Service,
    pub(super) payments: Service,
    pub(super) mcp: Service,
    pub(super) proxy: Service,
    pub(super) id: Service,
}

impl Services {
    pub(super) fn new() -> Self {
        let at = |host, addr: [u8; 4], port, vlan, software| Service {
            host,
            addr: SocketAddr::from((addr, port)),
            vlan,
            software,
        };
        Self {
            shop: at("shop.acme.example", [10, 10, 1, 11], 80, None, "nginx"),
            desk: at("desk.acme.example", [10, 10, 1, 12], 80, None, "nginx"),
            orders: at("orders.api.acme.example", [10, 10, 2, 21], 8080, None, ""),
            payments: at("payments.api.acme.example", [10, 10, 2, 22], 8080, Some(210), ""),
            mcp: at("mcp.acme.example", [10, 10, 2, 31], 8000, None, ""),
            proxy: at("proxy.acme.example:3128", [10, 10, 1, 9], 3128, None, "squid"),
            id: at("id.acme.example", [10, 10, 1, 15], 443, None, ""),
        }
    }

    /// The desk as reached over IPv6.
    pub(super) fn desk_v6(&self) -> Service {
        Service {
            addr: SocketAddr::from(([0x2001, 0xdb8, 0x10, 1, 0, 0, 0, 0x12], 80)),
            ..self.desk.clone()
        }
    }
}

/// Cents as a decimal number.
pub(super) fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl Order {
    /// Where the order stands at a moment.
    pub(super) fn status(&self, at: u64) -> &'static str {
        match at.saturating_sub(self.at) / HOUR {
            0..=1 => "paid",
            2..=9 => "packed",
            _ => "shipped",
        }
    }

    /// The order as one line of a list.
    pub(super) fn brief(&self, at: u64) -> String {
        format!(
            r#"{{"id":{},"status":"{}","total":"{}"}}"#,
            self.id,
            self.status(at),
            money(self.cents)
        )
    }

    /// The order in full.
    pub(super) fn full(&self, at: u64) -> String {
        format!(
            r#"{{"id":{},"status":"{}","customer":{},"total":"{}","currency":"EUR","items":[{{"product":{},"qty":1}}],"shipment":"{}","created_at":"{}"}}"#,
            self.id,
            self.status(at),
            self.customer,
            money(self.cents),
            self.product,
            self.shipment,
            iso(self.at)
        )
    }
}

impl Payment {
    /// The payment in full; the card is masked, as it should be.
    pub(super) fn full(&self) -> String {
        format!(
            r#"{{"id":"{}","order":{},"amount":"{}","currency":"EUR","method":"card","card":"**** {:04}","state":"captured","at":"{}"}}"#,
            self.id,
            self.order,
            money(self.cents),
            self.order * 7919 % 10_000,
            iso(self.at)
        )
    }
}
