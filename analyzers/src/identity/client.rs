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

/// Lower-case names that agents, agent frameworks, SDKs for language models and crawlers for them put into theirs. Each must begin
/// where a word begins: `precursor/1.0` is no Cursor.
const AGENTS: [&str; 66] = [
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
    "duckassistbot",
    "tavilybot",
    "exabot",
    "crawl4ai",
    "amazonbot",
    "applebot",
    "bytespider",
    "ccbot",
    "goose/",
    "aider/",
    "cline/",
    "roo-code",
    "continue/",
    "copilot/",
    "githubcopilotchat",
    "copilot-cli",
];

/// Lower-case beginnings of libraries and tools.
const LIBRARIES: [&str; 50] = [
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
    "datadog agent",
    "datadog-agent",
    "elastic-agent",
    "zabbix",
    "telegraf",
    "newrelic",
    "fluent-bit",
    "vector/",
    "node-agent",
    "go-client",
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
    if let Some(agent) = AGENTS.iter().find(|a| has_word(&text, a)) {
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
            Some(engine) if !is_automated(&text) => {
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

/// Whether `word` stands in the text and begins where a word begins.
fn has_word(text: &str, word: &str) -> bool {
    let mut from = 0;
    while let Some(at) = text[from..].find(word) {
        let at = from + at;
        if at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric() {
            return true;
        }
        from = at + 1;
    }
    false
}

/// A browser's engine with nobody before it. Names of devices end in `bot` as well, and programs of people have `agent` in theirs:
/// what counts is the name of a program (`Examplebot/1.0`) or of one that calls itself compatible.
fn is_automated(text: &str) -> bool {
    if text.contains("headless") || text.contains("+http") || text.contains("puppeteer") {
        return true;
    }
    let compatible = text.contains("compatible;");
    let mut names = text.split([' ', '(', ')', ';', ',']).filter(|n| !n.is_empty());
    names.any(|name| {
        let (name, versioned) = name.split_once('/').map_or((name, false), |(n, _)| (n, true));
        (versioned || compatible) && ["bot", "spider", "crawler"].iter().any(|end| name.ends_with(end))
    })
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
            ("precursor/1.0", Program::Unknown, "precursor"),
            (
                "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
                Program::Browser,
                "chrome",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0 Safari/537.36 UserAgentSwitcher",
                Program::Browser,
                "chrome",
            ),
            (
                "Mozilla/5.0 (compatible; Examplebot; like Chrome/126.0)",
                Program::Library,
                "mozilla",
            ),
            (
                "Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/126.0 Safari/537.36",
                Program::Library,
                "mozilla",
            ),
            ("", Program::Unknown, ""),
            ("something else", Program::Unknown, "something"),
        ] {
            assert_eq!(program(agent), (kind, family.to_owned()), "{agent}");
        }
    }
}
