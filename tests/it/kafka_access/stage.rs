//! One broker with four doors: for everybody (the tests' own readers), by client certificate, by SCRAM or PLAIN,
//! by token. Topics are not made by themselves; who is not super needs rights.

use crate::harness::certificates::Authority;
use crate::harness::daemon::{Home, SECRET, command_with};
use crate::harness::kafka::Kafka;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::TOLD;
use crate::harness::{eventually, free_port};
use std::fmt::Write as _;

pub struct Stage {
    pub kafka: Kafka,
    pub home: Home,
    pub certificate: u16,
    pub password: u16,
    pub token: u16,
}

/// The principal that the client certificate of the stage stands for.
pub const CLIENT: &str = "User:CN=a client";

impl Stage {
    pub async fn new() -> Stage {
        let (home, authority) = (Home::new(), Authority::new("the brokers'"));
        let (certificate, password, token) = (free_port(), free_port(), free_port());
        let server = home.write("server.pem", &authority.server(&["localhost"]).pem());
        let ca = home.write("ca.pem", &authority.pem());
        let client = authority.client();
        home.write("client.crt", &client.certificate_pem());
        home.write("client.key", &client.key_pem());
        for user in ["ann", "bob", "wrong"] {
            home.write(&format!("{user}.password"), &format!("{user}-secret"));
        }
        let modules = "org.apache.kafka.common.security";
        let settings = |plain: u16, controller: u16| {
            let mut text = format!(
                "listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},\
                 CERTIFICATE://127.0.0.1:{certificate},PASSWORD://127.0.0.1:{password},TOKEN://127.0.0.1:{token}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{plain},CERTIFICATE://localhost:{certificate},\
                 PASSWORD://localhost:{password},TOKEN://localhost:{token}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CERTIFICATE:SSL,\
                 PASSWORD:SASL_SSL,TOKEN:SASL_SSL\n\
                 ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
                 listener.name.certificate.ssl.client.auth=required\n\
                 authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 super.users=User:ANONYMOUS\nauto.create.topics.enable=false\n",
                server.display(),
                ca.display()
            );
            let at = "listener.name.password";
            let _ = writeln!(text, "{at}.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN");
            for scram in ["scram-sha-256", "scram-sha-512"] {
                let _ = writeln!(
                    text,
                    "{at}.{scram}.sasl.jaas.config={modules}.scram.ScramLoginModule required;"
                );
            }
            let _ = writeln!(
                text,
                "{at}.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_ann=\"ann-secret\";"
            );
            // Tokens nobody signed, with an end that the broker holds the connection to.
            let at = "listener.name.token";
            let _ = writeln!(
                text,
                "{at}.sasl.enabled.mechanisms=OAUTHBEARER\n\
                 {at}.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required \
                 unsecuredLoginStringClaim_sub=\"broker\";\n\
                 {at}.oauthbearer.connections.max.reauth.ms=3600000"
            );
            text
        };
        let scram = |kind: &str, user: &str| format!("SCRAM-SHA-{kind}=[name={user},password={user}-secret]");
        let users = [scram("256", "ann"), scram("512", "ann"), scram("512", "bob")];
        let options: Vec<&str> = users.iter().flat_map(|user| ["--add-scram", user]).collect();
        let kafka = Kafka::start_with(settings, &options).await;
        Stage { kafka, home, certificate, password, token }
    }

    fn path(&self, name: &str) -> String {
        self.home.path(name).display().to_string()
    }

    /// A sink to one topic of its own name, through that door.
    pub fn sink(&self, name: &str, door: u16, properties: &str, more: &str) -> String {
        format!(
            "[sink.kafka.{name}]\nbrokers = [\"localhost:{door}\"]\ntopic = \"{name}\"\nprivacy = \"full\"\n{TOLD}{more}\n\
             [sink.kafka.{name}.librdkafka]\n\"broker.address.family\" = \"v4\"\n\"ssl.ca.location\" = \"{}\"\n\
             \"topic.metadata.propagation.max.ms\" = \"500\"\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n{properties}",
            self.path("ca.pem")
        )
    }

    /// By user name and password.
    pub fn login(&self, mechanism: &str, user: &str, password: &str) -> String {
        format!(
            "\"security.protocol\" = \"sasl_ssl\"\n\"sasl.mechanism\" = \"{mechanism}\"\n\"sasl.username\" = \"{user}\"\n\
             \"sasl.password\" = {{ file = \"{}\" }}\n",
            self.path(&format!("{password}.password"))
        )
    }

    /// By client certificate.
    pub fn shown(&self) -> String {
        format!(
            "\"security.protocol\" = \"ssl\"\n\"ssl.certificate.location\" = \"{}\"\n\"ssl.key.location\" = \"{}\"\n",
            self.path("client.crt"),
            self.path("client.key")
        )
    }

    /// What another authority says it issued.
    pub fn stranger(&self) -> String {
        self.home.write("stranger.pem", &Authority::new("a stranger's").pem()).display().to_string()
    }

    /// `check --live`: exit code and all that it says.
    pub async fn check(&self) -> (i32, String) {
        let config = self.home.config().display().to_string();
        let asked =
            move || command_with(&["check", "--live", "--config", &config], &[("CRM_SECRET", SECRET)]);
        let (code, out, err) = tokio::task::spawn_blocking(asked).await.unwrap();
        (code, out + &err)
    }

    /// The check once it ends so and says this: a broker that has just started may be too slow for its patience.
    pub async fn checked(&self, code: i32, words: &str) -> String {
        eventually(&format!("the check says: {words}"), LIMIT, || async {
            let (ended, said) = self.check().await;
            (ended == code && said.contains(words)).then_some(said)
        })
        .await
    }

    /// How many records a topic has, as the tests' own reader sees it.
    pub async fn count(&self, topic: &str) -> usize {
        self.kafka.read(topic, 0, std::time::Duration::from_secs(1)).await.len()
    }
}
