//! `tapline schema`.

use clap::ValueEnum as _;

use crate::args::SchemaName;
use crate::exit::{Failure, Status};

pub(super) fn schema(name: Option<SchemaName>) -> Result<Status, Failure> {
    let Some(name) = name else {
        let mut list = String::from("Records with a schema; print one with: tapline schema NAME\n\n");
        for value in SchemaName::value_variants()
            .iter()
            .filter_map(SchemaName::to_possible_value)
        {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            list.push_str(&format!("  {:<10} {}\n", value.get_name(), help.replace('`', "")));
        }
        return super::print(&list);
    };
    super::print(match name {
        SchemaName::Exchange => include_str!("../../schemas/exchange.json"),
        SchemaName::Part => include_str!("../../schemas/part.json"),
        SchemaName::Flow => include_str!("../../schemas/flow.json"),
        SchemaName::Finding => include_str!("../../schemas/finding.json"),
        SchemaName::Inventory => include_str!("../../schemas/inventory.json"),
        SchemaName::Agents => include_str!("../../schemas/agents.json"),
        SchemaName::Mcp => include_str!("../../schemas/mcp.json"),
        SchemaName::A2a => include_str!("../../schemas/a2a.json"),
        SchemaName::Health => include_str!("../../schemas/health.json"),
        SchemaName::Access => include_str!("../../schemas/access.json"),
        SchemaName::Change => include_str!("../../schemas/change.json"),
        SchemaName::Violation => include_str!("../../schemas/violation.json"),
    })
}
