//! A NATS server of this program's own: on a free loopback port, with its store in the case's
//! directory, and ended by its process id.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reading::{Arguments, Problem};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const START: Duration = Duration::from_secs(10);

const STOP: Duration = Duration::from_secs(10);

/// Where a second process of the same case finds the server.
const ADDRESS_FILE: &str = "address";

#[derive(Debug)]
pub struct Server {
    process: Child,
    pub address: String,
    monitoring: String,
}

impl Server {
    pub fn start(arguments: &Arguments) -> Result<Self, Problem> {
        let directory = arguments.directory.canonicalize()?;
        // Filling is not measured, and the files are the same either way.
        let sync = match (arguments.setting.as_str(), arguments.case.as_str()) {
            ("always", case) if case != "fill" => "sync_interval: always",
            _ => "",
        };
        let store = serde_json::to_string(&directory.join("store"))?;
        let configuration = directory.join("server.conf");
        // Port -1 lets the server take a free one, which it then tells in a file.
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n\
             jetstream {{\n  store_dir: {store}\n  {sync}\n}}\n"
        );
        std::fs::write(&configuration, text)?;
        let mut process = Command::new(executable())
            .arg("--config")
            .arg(&configuration)
            .arg("--ports_file_dir")
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        match wait_for_ports(&mut process, &directory) {
            Ok((address, monitoring)) => {
                std::fs::write(directory.join(ADDRESS_FILE), &address)?;
                Ok(Self { process, address, monitoring })
            }
            Err(problem) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(problem)
            }
        }
    }

    /// The address of a server that another process has started for this directory.
    pub fn address_in(directory: &Path) -> Result<String, Problem> {
        Ok(std::fs::read_to_string(directory.join(ADDRESS_FILE))?)
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// How often the server says that it brings what it was sent to the disk.
    pub fn sync(&self) -> Result<String, Problem> {
        let host = self.monitoring.trim_start_matches("http://");
        let mut connection = TcpStream::connect(host)?;
        connection.set_read_timeout(Some(START))?;
        write!(connection, "GET /jsz HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut response = String::new();
        connection.read_to_string(&mut response)?;
        let body = response.split_once("\r\n\r\n").ok_or("the server told no settings")?.1;
        let config = &serde_json::from_str::<Value>(body)?["config"];
        if config["sync_always"].as_bool() == Some(true) {
            return Ok("always".to_owned());
        }
        let nanoseconds = config["sync_interval"].as_u64().ok_or("no sync_interval was told")?;
        Ok(format!("every {} s", nanoseconds / 1_000_000_000))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that is asked to end writes its state; one that hangs is killed.
        if let Some(id) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::TERM);
        }
        let begin = Instant::now();
        while begin.elapsed() < STOP {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the server says of its version, such as `2.15.1`.
pub fn version() -> Result<String, Problem> {
    let output = Command::new(executable()).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text.trim().rsplit('v').next().ok_or("the server told no version")?;
    Ok(version.to_owned())
}

fn executable() -> OsString {
    std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into())
}

fn wait_for_ports(process: &mut Child, directory: &Path) -> Result<(String, String), Problem> {
    let begin = Instant::now();
    while begin.elapsed() < START {
        if let Some(status) = process.try_wait()? {
            return Err(format!("the server has ended at once: {status}").into());
        }
        if let Some(ports) = read_ports(process.id(), directory)? {
            return Ok(ports);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("the server did not begin to listen".into())
}

fn read_ports(process: u32, directory: &Path) -> Result<Option<(String, String)>, Problem> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(&format!("_{process}.ports")) {
            continue;
        }
        // The file may be only partly written yet.
        let Ok(ports) = serde_json::from_str::<Value>(&std::fs::read_to_string(&path)?) else {
            return Ok(None);
        };
        let first = |kind: &str| ports[kind][0].as_str().map(str::to_owned);
        return Ok(first("nats").zip(first("monitoring")));
    }
    Ok(None)
}
