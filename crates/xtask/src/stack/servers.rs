//! The vault's servers: one, or two behind one address.

use std::fs;
use std::net::TcpListener;

use xtask::balancer::Balancer;

use super::background::Background;
use super::stage::{Stage, trouble};
use crate::run::{Result, output};

const SERVER: &str = "obhut-server";

/// What runs of them; dropped, they end.
#[derive(Default)]
pub(crate) struct Servers {
    url: String,
    running: Vec<Option<Background>>,
    balancer: Option<Balancer>,
}

impl Servers {
    /// The address for clients.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Those that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Background> {
        self.running.iter().flatten()
    }

    /// Ends one of them as a power cut would, if there is another.
    pub(crate) fn kill_first(&mut self) -> Result<()> {
        if let Some(balancer) = &self.balancer {
            balancer.set(0, false);
        }
        match self.running.first_mut().and_then(Option::take) {
            Some(mut server) => server.kill(),
            None => Err("there is no server to kill".to_owned()),
        }
    }

    /// Waits until they end.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.running
            .iter_mut()
            .flatten()
            .try_for_each(Background::wait)
    }
}

/// Makes the data folder of the first server; what the program printed.
pub(crate) fn init(stage: &Stage, agency: &str) -> Result<String> {
    let mut arguments = vec!["init", "--name", agency, "--data", "server/vault"];
    if let Some(elsewhere) = stage.elsewhere() {
        let gate = [
            "--gate",
            &elsewhere.gatekeeper.url,
            "--gate-fingerprint",
            &elsewhere.fingerprint,
        ];
        arguments.extend(gate);
    }
    stage.program(SERVER, &arguments)
}

/// What the witness's operator needs.
pub(crate) fn log_keys(stage: &Stage) -> Result<String> {
    stage.program(SERVER, &["log-keys", "--data", "server/vault"])
}

/// Starts the only server on a free port.
pub(crate) fn start_one(stage: &mut Stage) -> Result<()> {
    let server = serve(stage, "server/vault", "127.0.0.1:0")?;
    let url = server.url.clone();
    *stage.servers() = Servers {
        url,
        running: vec![Some(server)],
        balancer: None,
    };
    Ok(())
}

/// Gives the vault its bucket and witness, makes `count` servers of it, and starts them; several
/// behind one address.
pub(crate) fn start_several(stage: &mut Stage, count: usize, sections: &str) -> Result<()> {
    let path = stage.data().join("obhut.toml");
    let first = fs::read_to_string(&path).map_err(|error| trouble("read", &path, &error))?;
    let own = |port: u16| {
        let line = format!("advertise = \"http://127.0.0.1:{port}\"");
        first.replace("# advertise = \"https://10.0.0.2:8750\"", &line) + sections
    };
    let (mut ports, mut running) = (Vec::new(), Vec::new());
    for number in 0..count {
        let port = free_port()?;
        let data = match number {
            0 => "server/vault".to_owned(),
            _ => format!("server/vault-{}", number + 1),
        };
        stage.write(&format!("{data}/obhut.toml"), own(port).as_bytes())?;
        if number == 0 {
            stage.program(SERVER, &["s3-probe", "--data", &data])?;
        } else {
            let of_all = ["keys", "s3-probe.json"].map(|name| stage.data().join(name));
            let mut copy = std::process::Command::new("cp");
            output(copy.arg("-r").args(of_all).arg(stage.path(&data)))?;
        }
        ports.push(port);
        running.push(Some(serve(stage, &data, &format!("127.0.0.1:{port}"))?));
    }
    let (url, balancer) = if let [port] = *ports.as_slice() {
        (format!("http://127.0.0.1:{port}"), None)
    } else {
        let balancer = Balancer::start(ports).map_err(|error| error.to_string())?;
        let url = format!("http://127.0.0.1:{}", balancer.port());
        stage.show(&format!("   A load balancer stands before them: {url}."));
        (url, Some(balancer))
    };
    *stage.servers() = Servers {
        url,
        running,
        balancer,
    };
    Ok(())
}

fn serve(stage: &Stage, data: &str, listen: &str) -> Result<Background> {
    let arguments = ["serve", "--listen", listen, "--data", data];
    stage.background(SERVER, &arguments, "server/server.log")
}

fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on loopback: {error}"))
}
