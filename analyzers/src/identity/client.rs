//! What a User-Agent says of the program behind it. It is self-asserted: evidence, never proof.

/// What kind of program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// An AI agent, its SDK, or the crawler of one.
    Agent,
    /// A browser.
    Browser,
    /// Another program or library.
    Library,
    /// Cannot be told.
    Unknown,
}

/// Lower-case fragments that agents, agent frameworks and SDKs for language models put into theirs.
const AGENTS: [&str; 50] = [
    "openai/",
    "asyncopenai/",
    "azureopenai/",
    "anthropic/",
    "asyncanthropic/",
    "claude-cli",
    "claude-code",
    "agent-sdk",
    "codex_cli",
    "codex-cli",
    "geminicli",
    "agents/python",
    "agents/js",
    "google-genai-sdk",
    "google-adk",
    "ai-sdk/",
    "opencode/",
    "langchain",
    "langgraph",
    "llama-index",
    "llamaindex",
    "crewai",
    "autogen",
    "semantic-kernel",
    "smolagents",
    "pydantic-ai",
    "litellm",
    "gptbot",
    "oai-searchbot",
    "chatgpt-user",
    "chatgpt agent",
    "claudebot",
    "claude-user",
    "claude-searchbot",
    "perplexity",
    "googleagent",
    "google-agent",
    "gemini-deep-research",
    "meta-externalagent",
    "amazonbuyforme",
    "novaact",
    "bedrockbot",
    "mistralai-user",
    "manus-user",
    "devin/",
    "cursor/",
    "firecrawl",
    "mcp-client",
    "mcp-remote",
    "modelcontextprotocol",
];

/// Lower-case beginnings of libraries and tools.
const LIBRARIES: [&str; 40] = [
    "python-requests",
    "python-urllib",
    "python-httpx",
    "python/",
    "aiohttp",
    "curl/",
    "wget/",
    "go-http-client",
    "go-resty",
    "okhttp",
    "java/",
    "java-http-client",
    "apache-httpclient",
    "jakarta",
    "axios/",
    "node-fetch",
    "node",
    "undici",
    "got ",
    "libwww-perl",
    "ruby",
    "faraday",
    "guzzlehttp",
    "php",
    "dart/",
    "reqwest",
    "hyper/",
    "ureq",
    "k6/",
    "grpc-",
    "cron",
    "boto3",
    "botocore",
    "aws-sdk",
    "kube-probe",
    "prometheus",
    "elb-healthchecker",
    "googlehc",
    "postmanruntime",
    "insomnia/",
];

/// Kind of program, and the product name that stands for its family, lower case.
pub(crate) fn program(user_agent: &str) -> (Program, String) {
    let mut text: String = user_agent.chars().take(256).collect();
    text.make_ascii_lowercase();
    let product = text
        .split(['/', ' ', '(', ';', ','])
        .next()
        .unwrap_or("")
        .to_owned();
    if let Some(agent) = AGENTS.iter().find(|a| text.contains(**a)) {
        let family = if text.starts_with("mozilla/") {
            agent.trim_end_matches('/').to_owned()
        } else {
            product
        };
        return (Program::Agent, family);
    }
    if text.starts_with("mozilla/") {
        let engine = [
            "edg/", "opr/", "firefox/", "chrome/", "crios/", "fxios/", "safari/",
        ];
        return match engine.iter().find(|e| text.contains(**e)) {
            Some(engine) if !text.contains("bot") && !text.contains("headless") => {
                (Program::Browser, engine.trim_end_matches('/').to_owned())
            }
            _ => (Program::Library, product),
        };
    }
    if LIBRARIES.iter().any(|l| text.starts_with(l)) {
        return (Program::Library, product);
    }
    (Program::Unknown, product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_names() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36";
        for (agent, kind, family) in [
            ("claude-cli/1.0 (external, cli)", Program::Agent, "claude-cli"),
            ("OpenAI/Python 1.40.0", Program::Agent, "openai"),
            ("Mozilla/5.0 (compatible; GPTBot/1.1)", Program::Agent, "gptbot"),
            (chrome, Program::Browser, "chrome"),
            ("python-requests/2.32.3", Program::Library, "python-requests"),
            (
                "langchain/0.3.7 python-requests/2.32.3",
                Program::Agent,
                "langchain",
            ),
            ("", Program::Unknown, ""),
            ("something else", Program::Unknown, "something"),
        ] {
            assert_eq!(program(agent), (kind, family.to_owned()), "{agent}");
        }
    }
}
