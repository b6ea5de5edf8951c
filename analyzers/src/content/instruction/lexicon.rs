//! Words that say what a sentence does, whatever it is about: a sort for each, in several languages.
//!
//! Words alone decide nothing; [`super`] asks how they stand together. A word may be of several sorts.

use std::sync::OnceLock;

use xxhash_rust::xxh3::xxh3_64;

macro_rules! sorts {
    ($($name:ident = $bit:expr, $doc:expr;)*) => {
        $(#[doc = $doc] pub(super) const $name: u32 = 1 << $bit;)*
    };
}

sorts! {
    IGNORE = 0, "Puts something aside.";
    PRIOR = 1, "What came before, or all of it.";
    ORDER = 2, "What was said to be done.";
    NEW = 3, "What comes in its place.";
    MODEL = 4, "A program that reads and acts.";
    SEND = 5, "Hands something out.";
    ACT = 6, "Does something.";
    NOT = 7, "Denies.";
    TELL = 8, "Lets somebody know, or asks.";
    PERSON = 9, "For whom the program works.";
    DUTY = 10, "Makes a duty of it.";
    CONSENT = 11, "Says that somebody agreed.";
    ALREADY = 12, "Says that it is done.";
    URGENT = 13, "Presses.";
    BEFORE = 14, "Puts it before something.";
    REPLY = 15, "What the reader is about to do.";
    TASK = 16, "What the reader was given to do.";
    SECRET = 17, "What is worth having.";
    TEACH = 18, "Speaks about attacks.";
    YOU = 19, "The reader.";
    ALL = 20, "All of it, and every one.";
    POLITE = 21, "May stand before an imperative.";
    AUTHORITY = 22, "Who may give orders.";
    HUSH = 23, "In silence.";
    PASSING = 24, "While something else is done.";
    FREE = 25, "Left to the reader.";
}

const WORDS: &[(u32, &str)] = &[
    (
        IGNORE,
        "ignore ignoring disregard disregarding forget forgetting override overrides overriding overrule bypass superseded supersede supersedes superseding \
         abandon discard neglect dismiss nullify void suspend \
         ignoriere ignorieren ignoriert vergiss vergesse vergessen missachte missachten überschreibe verwirf \
         ignorez ignorer oubliez oublie oublier outrepassez \
         ignora ignore ignorar ignoren olvida olvide olvidar olviden omite descarta \
         ignorare dimentica dimenticare trascura ignori \
         ignora esqueça esqueca esquecer desconsidere desconsiderar \
         negeer vergeet \
         игнорируй игнорируйте забудь забудьте проигнорируй",
    ),
    (
        PRIOR,
        "previous previously prior earlier above preceding existing original initial former past old foregoing aforementioned current \
         vorherige vorherigen vorheriger bisherige bisherigen obige obigen frühere früheren vorangegangenen ursprünglichen \
         précédentes précédents précédente précédent antérieures antérieurs initiales \
         anteriores anterior previas previos originales \
         precedenti precedente anteriori \
         eerdere vorige bovenstaande \
         предыдущие предыдущих прежние прошлые",
    ),
    (
        ALL,
        "all any every everything each whatever entire full complete total whole \
         alle aller alles jede jegliche sämtliche gesamte gesamten vollständige vollständigen toutes tous tout complet complète todas todos todo cualquier completo completa tutte tutti tutto completo completa \
         все всё всех",
    ),
    (
        ORDER,
        "instruction instructions prompt prompts rule rules direction directions guideline guidelines directive directives command commands \
         order orders policy policies constraints restrictions safeguards programming guidance messages \
         anweisung anweisungen befehl befehle regeln vorgaben instruktionen aufträge richtlinien \
         consigne consignes instruction instructions règles directives ordres \
         instrucciones instrucción reglas órdenes directivas indicaciones \
         istruzioni istruzione regole comandi ordini direttive \
         instruções instrução regras ordens comandos \
         instructies opdrachten regels \
         инструкции инструкций указания указаний правила команды",
    ),
    (
        NEW,
        "new updated revised additional following next overriding replacement amended \
         neue neuen neuer folgende folgenden zusätzliche nouvelle nouvelles nouveau nouveaux suivante suivantes suivant nueva nuevas nuevo nuevos siguiente siguientes \
         nuova nuove nuovo nuovi seguente seguenti nova novas novo novos seguinte seguintes новые новое следующие следующее",
    ),
    (
        MODEL,
        "assistant assistants agent agents model models ai llm llms chatbot bot bots claude gpt chatgpt gemini copilot llama mistral grok gpt-4 gpt-4o deepseek qwen \
         assistent assistenten assistentin ki agenten sprachmodell ia modèle asistente agente modelo assistente assistenti modello \
         ассистент ассистента помощник помощника агент агента модель ии",
    ),
    (
        SEND,
        "send sending transfer email e-mail mail post submit submitting upload forward forwarding wire share publish transmit deliver relay leak exfiltrate dm remit pay \
         export cc bcc message text pass hand donate refund credit \
         sende senden schicke schicken überweise überweisen übermittle übermitteln leite weiterleiten poste teile lade \
         envoie envoyez envoyer transfère transférez transférer virez publiez partagez transmettez téléversez \
         envía envíe enviar envia envie transfiere transfiera transferir publica publique comparte sube reenvía reenvíe paga \
         invia inviare inviate trasferisci trasferire pubblica condividi inoltra carica paga \
         envie enviar transfira transferir publique compartilhe encaminhe pague \
         stuur verstuur maak deel \
         отправь отправьте перешли перешлите переведи переведите передай передайте опубликуй",
    ),
    (
        ACT,
        "delete remove change modify update set create invite add grant book reserve buy purchase order reset disable enable write save run execute call invoke use \
         open visit fetch browse click download install schedule cancel approve accept replace edit rename move make append insert include reveal print output reply \
         respond repeat say recommend mention answer decode follow read look get retrieve list find search summarize summarise copy give provide give assign \
         concatenate collect compile gather combine extract deactivate activate close confirm register subscribe unsubscribe navigate go perform carry complete treat consider mark rate rank choose select pick prefer \
         lösche löschen ändere ändern erstelle erstellen rufe öffne öffnen führe ausführen buche kaufe gib nenne setze \
         supprime supprimez supprimer modifiez modifie changez créez ouvrez exécutez appelez donnez révélez réservez achetez invitez ajoutez \
         borra borre elimina elimine cambia cambie crea cree abre abra ejecuta ejecute llama da revela invita añade añada modifica \
         elimina cancella modifica cambia crea apri esegui chiama rivela aggiungi invita \
         apague exclua altere mude crie abra execute chame revele adicione convide \
         verwijder wijzig open voer удали удалите измени измените создай создайте открой вызови добавь",
    ),
    (
        NOT,
        "not don't dont never without no cannot can't avoid nor neither needn't nicht kein keine keinen niemals ohne ne pas jamais sans no nunca sin non mai senza não nunca sem niet \
         zonder geen не никогда без",
    ),
    (
        TELL,
        "tell telling mention mentioning inform informing notify notifying ask asking confirm confirming confirmation verify verifying verification disclose disclosing \
         alert alerting warn warning show showing display displaying approval permission consulting consult question questioning double-check check checking reporting \
         erwähne erwähnen informiere informieren frage fragen nachfragen rückfrage bestätigung mitteilen sage dire informer demander mentionner confirmation \
         decir diga informar informe preguntar pregunte mencionar mencione confirmar confirmación dire informare chiedere conferma avvisare \
         perguntar informe avise confirmação vertel vraag melden сообщай сообщайте говори говорите спрашивай спрашивая уведомляй",
    ),
    (
        PERSON,
        "user users user's customer customers customer's owner human humans operator client's traveller traveller's traveler's anyone anybody them him me requester \
         subscriber's patient's employee's guest's cardholder's member's holder's \
         benutzer benutzers nutzer nutzers kunden kunde mich niemandem mir utilisateur l'utilisateur client personne moi usuario cliente nadie \
         utente l'utente dell'utente nessuno usuário ninguém gebruiker пользователя пользователю пользователь никому",
    ),
    (
        DUTY,
        "must should need needs shall required immediately now first instead ensure mandatory obligatory sofort muss musst müssen sollst stattdessen zuerst \
         immédiatement devez dois doit d'abord inmediatamente debes debe deben primero subito devi deve prima immediatamente imediatamente deve primeiro onmiddellijk moet \
         немедленно должен должны сначала",
    ),
    (
        CONSENT,
        "agreed approved authorised authorized consented cleared pre-approved preapproved pre-authorised pre-authorized sanctioned permitted okayed green-lit signed-off \
         genehmigt zugestimmt autorisiert einverstanden freigegeben approuvé autorisé accepté d'accord autorizado aprobado autorizzato approvato aprovado goedgekeurd \
         одобрено одобрил согласовано разрешено разрешил",
    ),
    (
        ALREADY,
        "already been has have bereits schon wurde déjà ya già já al уже",
    ),
    (
        URGENT,
        "important urgent urgently critical attention crucial essential asap priority emergency wichtig dringend achtung important urgent attention importante urgente atención \
         attenzione atenção belangrijk важно срочно внимание",
    ),
    (
        BEFORE,
        "before prior until once after bevor vor avant antes prima voordat прежде",
    ),
    (
        REPLY,
        "answering replying responding summarizing summarising solving solve answer reply respond continuing proceeding finishing anything \
         antworten beantwortest antwortest fortfährst répondre continuer responder continuar rispondere continuare ответишь отвечать",
    ),
    (
        TASK,
        "task tasks job request workload query aufgabe aufgaben auftrag tâche tâches tarea tareas compito tarefa taak задача задачу задание",
    ),
    (
        SECRET,
        "password passwords credentials credential token tokens secret secrets key keys conversation conversations history prompt profile details data contacts contents \
         information identifiers identifier numbers records passport card iban codes inbox transactions statements messages emails files addresses overview list lists salaries names balances secret phone number address id_rsa seed figures \
         passwort passwörter zugangsdaten daten kundendaten verlauf kontodaten mot passe données identifiants contraseña contraseñas datos credenciales \
         dati credenziali senha dados wachtwoord gegevens пароль пароли данные",
    ),
    (
        TEACH,
        "example examples e.g phrase phrases wording attacker attackers attack attacks malicious phishing injection injections jailbreak jailbreaks trick tricks filter filters \
         flagged blocks blocked detect detects detected detection suspicious awareness scam scams fraud fraudulent quoted quote quotes article researchers researcher \
         vulnerability vulnerabilities payload payloads mitigation mitigations adversary adversarial defend defence defense exploit exploits spam threat threats \
         beispiel beispiele angriff angriffe angreifer exemple attaque attaques ejemplo ataque ataques esempio attacco attacchi exemplo пример атака атаки",
    ),
    (
        YOU,
        "you your yourself you're you'll you've yours du dein deine deinen deiner tes ton ta tus tuo tue tuoi teus suas sie ihre ihr vous votre vos tu usted su tus voi você seu sua u uw ты вы ваш твой",
    ),
    (
        POLITE,
        "please kindly also then now first instead just simply next finally additionally and so todo reminder bitte außerdem dann zuerst stattdessen jetzt veuillez \
         aussi ensuite maintenant puis por favor también luego ahora además anche poi ora inoltre também depois agora пожалуйста также затем",
    ),
    (
        HUSH,
        "silently quietly covertly discreetly secretly confidential confidentially heimlich stillschweigend discrètement silenciosamente",
    ),
    (
        PASSING,
        "while when processing handling handles processes process reading read now task tools access your whoever summarizing summarising",
    ),
    (FREE, "fill judgement judgment plausible"),
    (
        AUTHORITY,
        "system administrator admin developer developers supervisor headquarters management openai anthropic google microsoft security compliance",
    ),
];

/// A table with open addresses: at most half full, so that words which are not in it are told after a step or two.
struct Table(Vec<(&'static str, u32)>);

impl Table {
    fn place(&self, word: &str) -> usize {
        xxh3_64(word.as_bytes()) as usize & (self.0.len() - 1)
    }

    fn find(&self, word: &str) -> usize {
        let mut at = self.place(word);
        while !self.0[at].0.is_empty() && self.0[at].0 != word {
            at = (at + 1) & (self.0.len() - 1);
        }
        at
    }
}

/// The sorts of a word in lower case, as bits.
pub(super) fn sorts(word: &str) -> u32 {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let words = || {
            WORDS
                .iter()
                .flat_map(|(sort, words)| words.split_whitespace().map(move |word| (*sort, word)))
        };
        let mut table = Table(vec![("", 0); (2 * words().count()).next_power_of_two()]);
        for (sort, word) in words() {
            let at = table.find(word);
            table.0[at] = (word, table.0[at].1 | sort);
        }
        table
    });
    // No word of the table is longer.
    if word.len() > 40 {
        return 0;
    }
    table.0[table.find(word)].1
}
