//! The arithmetic against candle-transformers, which was written by other people.

use std::{fs::File, io::BufReader, path::Path};

use candle_core::{
    Device, Tensor,
    quantized::{GgmlDType, QTensor, gguf_file},
};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;
use crate::testing;

const GO_ON: &dyn Fn() -> bool = &|| false;

fn real_model() -> Model {
    let mut gguf = testing::gguf();
    let vocab = gguf.take_texts("tokenizer.ggml.tokens").unwrap().len();
    let config = Config::read(&gguf, vocab).unwrap();
    Model::check(&gguf, &config).unwrap();
    Model::load(&gguf, &config).unwrap()
}

fn scores_after(model: &mut Model, tokens: &[u32], chunk: usize) -> Vec<f32> {
    let mut state = Vec::new();
    for tokens in tokens.chunks(chunk) {
        state = model.advance(tokens, GO_ON).unwrap().unwrap();
    }
    model.scores(&state).unwrap()
}

/// 1 for scores that point the same way, whatever quantisation did to them.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn best(scores: &[f32]) -> usize {
    let order = |a: &usize, b: &usize| scores[*a].total_cmp(&scores[*b]);
    (0..scores.len()).max_by(order).unwrap()
}

fn prompt() -> Vec<u32> {
    let text = "The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is Madrid. The capital of Germany is";
    testing::tokenizer().encode_plain(text).unwrap()
}

#[test]
fn the_real_model_agrees_with_candles_own_llama() {
    let mut file = BufReader::new(File::open(testing::model_path()).unwrap());
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut peer =
        quantized_llama::ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap();
    let mut ours = real_model();
    let mut tokens = prompt();
    let mut scores = scores_after(&mut ours, &tokens, 128);
    for step in 0..8 {
        let from = if step == 0 { 0 } else { tokens.len() - 1 };
        let input = Tensor::new(&tokens[from..], &Device::Cpu).unwrap();
        let theirs = peer.forward(&input.unsqueeze(0).unwrap(), from).unwrap();
        let theirs: Vec<f32> = theirs.squeeze(0).unwrap().to_vec1().unwrap();
        let like = likeness(&scores, &theirs);
        assert!(like > 0.995, "step {step}: {like}");
        let next = best(&theirs);
        assert_eq!(best(&scores), next, "step {step}");
        let next = u32::try_from(next).unwrap();
        tokens.push(next);
        scores = scores_after(&mut ours, &[next], 1);
    }
    let text: Vec<u8> = tokens
        .iter()
        .flat_map(|id| testing::tokenizer().bytes(*id))
        .collect();
    assert!(
        String::from_utf8(text)
            .unwrap()
            .contains("Germany is Berlin")
    );
}

#[test]
fn pieces_truncation_and_cancelling_do_not_change_the_scores() {
    let mut model = real_model();
    let tokens = prompt();
    let whole = scores_after(&mut model, &tokens, 128);
    model.truncate(5);
    assert_eq!(model.cached(), 5);
    // Up to 23 rows take the quantised kernel, more the float one: they differ by rounding only.
    let pieces = scores_after(&mut model, &tokens[5..], 3);
    assert!(likeness(&whole, &pieces) > 0.995);

    model.truncate(tokens.len() - 1);
    let calls = std::cell::Cell::new(0);
    let after_ten_layers = || {
        calls.set(calls.get() + 1);
        calls.get() > 10
    };
    let cancelled = model.advance(&tokens[..4], &after_ten_layers).unwrap();
    assert!(cancelled.is_none());
    assert_eq!(model.cached(), tokens.len() - 1);
    let after = scores_after(&mut model, &tokens[tokens.len() - 1..], 1);
    assert!(likeness(&pieces, &after) > 0.995);
}

/// A tiny model of random weights.
fn random_model(arch: &str, path: &Path) -> Config {
    let (layers, width, feed, heads, kv_heads, head_dim, vocab) = (2, 64, 96, 4, 2, 16, 50);
    let mut random = SmallRng::seed_from_u64(1);
    let mut tensor = |dims: &[usize]| {
        let len = dims.iter().product();
        let values: Vec<f32> = (0..len).map(|_| random.random_range(-0.3..0.3)).collect();
        let tensor = Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
        QTensor::quantize(&tensor, GgmlDType::F32).unwrap()
    };
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), tensor(&[vocab, width])),
        ("output.weight".to_owned(), tensor(&[vocab, width])),
        ("output_norm.weight".to_owned(), tensor(&[width])),
    ];
    for layer in 0..layers {
        let mut add = |name: &str, dims: &[usize]| {
            tensors.push((format!("blk.{layer}.{name}"), tensor(dims)));
        };
        for (name, outputs) in [("q", heads), ("k", kv_heads), ("v", kv_heads)] {
            let outputs = outputs * head_dim;
            add(&format!("attn_{name}.weight"), &[outputs, width]);
            if arch == "qwen2" {
                add(&format!("attn_{name}.bias"), &[outputs]);
            } else if arch == "qwen3" && name != "v" {
                add(&format!("attn_{name}_norm.weight"), &[head_dim]);
            }
        }
        add("attn_output.weight", &[width, heads * head_dim]);
        add("attn_norm.weight", &[width]);
        add("ffn_norm.weight", &[width]);
        add("ffn_gate.weight", &[feed, width]);
        add("ffn_up.weight", &[feed, width]);
        add("ffn_down.weight", &[width, feed]);
    }
    let number = |n: usize| gguf_file::Value::U32(u32::try_from(n).unwrap());
    let fields = [
        ("block_count", number(layers)),
        ("context_length", number(256)),
        ("embedding_length", number(width)),
        ("feed_forward_length", number(feed)),
        ("attention.head_count", number(heads)),
        ("attention.head_count_kv", number(kv_heads)),
        ("attention.key_length", number(head_dim)),
        ("rope.dimension_count", number(head_dim)),
        ("rope.freq_base", gguf_file::Value::F32(10_000.0)),
        (
            "attention.layer_norm_rms_epsilon",
            gguf_file::Value::F32(1e-6),
        ),
    ];
    let mut metadata: Vec<_> = fields
        .into_iter()
        .map(|(key, value)| (format!("{arch}.{key}"), value))
        .collect();
    let name = gguf_file::Value::String(arch.to_owned());
    metadata.push(("general.architecture".to_owned(), name));
    let metadata: Vec<_> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    gguf_file::write(&mut File::create(path).unwrap(), &metadata, &tensors).unwrap();
    Config::read(&Gguf::open(path).unwrap(), vocab).unwrap()
}

#[test]
fn every_supported_architecture_agrees_with_candles() {
    let dir = tempfile::tempdir().unwrap();
    for arch in ["llama", "qwen2", "qwen3"] {
        let path = dir.path().join(arch);
        let config = random_model(arch, &path);
        let mut ours = Model::load(&Gguf::open(&path).unwrap(), &config).unwrap();
        let mut file = BufReader::new(File::open(&path).unwrap());
        let content = gguf_file::Content::read(&mut file).unwrap();
        let tokens: Vec<u32> = (0..40).map(|i| i * 7 % 50).collect();
        let input = Tensor::new(tokens.as_slice(), &Device::Cpu).unwrap();
        let input = input.unsqueeze(0).unwrap();
        let device = Device::Cpu;
        let theirs = match arch {
            "llama" => quantized_llama::ModelWeights::from_gguf(content, &mut file, &device)
                .unwrap()
                .forward(&input, 0),
            "qwen2" => quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &device)
                .unwrap()
                .forward(&input, 0),
            _ => quantized_qwen3::ModelWeights::from_gguf(content, &mut file, &device)
                .unwrap()
                .forward(&input, 0),
        };
        let theirs: Vec<f32> = theirs.unwrap().flatten_all().unwrap().to_vec1().unwrap();
        for chunk in [40, 7, 1] {
            ours.truncate(0);
            let scores = scores_after(&mut ours, &tokens, chunk);
            let most = theirs.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (a, b) in scores.iter().zip(&theirs) {
                assert!((a - b).abs() < most * 0.01, "{arch} by {chunk}: {a} {b}");
            }
        }
    }
}
