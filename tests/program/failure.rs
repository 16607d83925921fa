//! A session that fails in the middle of a run does not lose the picture so far.

use std::fs;

use crate::support::{Workshop, fail, impasto, succeed, tiny_graphs};
use prost::Message as _;
use serde_json::Value;

/// The part of an ONNX model that adds nodes and an output to another one (field numbers: `onnx.proto`). Protocol
/// buffers merge when their bytes are joined.
#[derive(prost::Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(prost::Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<ValueInfo>,
}

#[derive(prost::Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
}

#[derive(prost::Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, optional, tag = "3")]
    int: Option<i64>,
    #[prost(float, repeated, tag = "7")]
    floats: Vec<f32>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(prost::Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: Vec<Attribute>) -> Node {
    Node {
        inputs: inputs.iter().map(|&name| name.into()).collect(),
        outputs: vec![output.into()],
        operator: operator.into(),
        attributes,
    }
}

/// Takes entry 1 of a list of one once the content loss is above 0, which it is not at the content picture.
fn tripwire() -> Vec<u8> {
    let floats = Attribute {
        name: "value_floats".into(),
        int: None,
        floats: vec![0.0],
        kind: 6,
    };
    let to_int64 = Attribute {
        name: "to".into(),
        int: Some(7),
        floats: vec![],
        kind: 2,
    };
    let graph = Graph {
        nodes: vec![
            node("Constant", &[], "trip/zero", vec![floats]),
            node("Greater", &["content_losses", "trip/zero"], "trip/moved", vec![]),
            node("Cast", &["trip/moved"], "trip/index", vec![to_int64]),
            node("Gather", &["trip/zero", "trip/index"], "trip/wire", vec![]),
        ],
        outputs: vec![ValueInfo {
            name: "trip/wire".into(),
        }],
    };
    Model { graph: Some(graph) }.encode_to_vec()
}

/// A workshop with a folder of graphs that fail on the way.
fn workshop_with_tripwire() -> Workshop {
    let workshop = Workshop::new();
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for name in crate::support::PRESET_FILES {
        fs::copy(tiny_graphs().join(name), graphs.join(name)).unwrap();
    }
    let graph = graphs.join("gatys.loss_grad.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    bytes.extend(tripwire());
    fs::write(&graph, bytes).unwrap();
    workshop
}

#[test]
fn the_best_picture_is_saved_and_the_run_is_an_error() {
    let workshop = workshop_with_tripwire();

    let run = [
        "--graphs",
        "graphs",
        "--iterations",
        "9",
        "--trace",
        "out.json",
        "--quiet",
    ];
    fail(
        workshop.stylize("out.png").args(run),
        &[
            "broke off",
            "until then is in out.png",
            "evaluation 2 of the loss failed",
            "gatys.loss_grad.onnx",
        ],
    );
    let picture = |name| image::open(workshop.path(name)).unwrap().to_rgb8();
    assert_eq!(picture("out.png"), picture("content.png"));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
    assert_eq!(
        (&trace["stop"], &trace["ended-after"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(trace["evaluations"].as_array().unwrap().len(), 1);
}

#[test]
fn a_session_that_fails_at_once_leaves_no_picture() {
    let workshop = workshop_with_tripwire();
    fail(
        workshop
            .stylize("out.png")
            .args(["--graphs", "graphs", "--init", "gray"]),
        &["evaluation 1 of the loss failed"],
    );
    assert!(!workshop.path("out.png").exists());
}

#[test]
fn a_scale_that_fails_leaves_the_picture_of_the_scale_before_enlarged() {
    let workshop = workshop_with_tripwire();
    // The enlarged picture with the content's detail is the content at the second scale but for its rounding, which is
    // enough to fail at once.
    let run = [
        "--graphs",
        "graphs",
        "--scales",
        "24:0,40:3",
        "--trace",
        "out.json",
    ];
    let failure = [
        "broke off",
        "until then is in out.png",
        "evaluation 2 of the loss failed",
    ];
    fail(workshop.stylize("out.png").args(run), &failure);
    assert_eq!(
        image::image_dimensions(workshop.path("out.png")).unwrap(),
        (40, 28)
    );
    let repeat = ["stylize", "--repeat", "out.json", "-o", "again.png"];
    succeed(impasto().current_dir(workshop.folder.path()).args(repeat));
    assert!(fs::read(workshop.path("out.png")).unwrap() == fs::read(workshop.path("again.png")).unwrap());
}
