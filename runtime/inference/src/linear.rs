//! A quantised weight matrix and its two ways to multiply.

use candle_core::{CpuStorage, Device, Tensor, quantized::QuantizedType};

use crate::{error::ModelError, gguf::Gguf};

/// From this many rows on, unpacking the weights and using the float kernel is faster than the
/// quantised dot product: unpacking costs about as much as 8 rows do. Measured on SmolLM2 Q4_1.
const UNPACK_FROM_ROWS: usize = 24;

/// A weight of `outputs` rows with `inputs` numbers each, as stored in the file.
pub(crate) struct Matrix {
    weights: Box<dyn QuantizedType>,
    outputs: usize,
    inputs: usize,
}

impl Matrix {
    /// Reads the tensor `name`.
    pub(crate) fn load(
        gguf: &Gguf,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weights: gguf.tensor(name, &[outputs, inputs])?,
            outputs,
            inputs,
        })
    }

    /// Multiplies every row of `input` (a whole number of rows) with the matrix.
    pub(crate) fn apply(&self, input: &[f32]) -> Result<Vec<f32>, ModelError> {
        let rows = input.len() / self.inputs;
        if rows >= UNPACK_FROM_ROWS {
            let unpacked = self.weights.dequantize(self.outputs * self.inputs)?;
            let weights =
                Tensor::from_vec(floats(unpacked)?, (self.outputs, self.inputs), &Device::Cpu)?;
            let input = Tensor::from_slice(input, (rows, self.inputs), &Device::Cpu)?;
            return Ok(input.matmul(&weights.t()?)?.flatten_all()?.to_vec1()?);
        }
        let mut output = vec![0.0; rows * self.outputs];
        self.weights
            .matmul_t((rows, self.inputs, self.outputs), input, &mut output)?;
        Ok(output)
    }

    /// The rows `ids`, unpacked: how a token embedding is read.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        floats(self.weights.embedding(ids, self.outputs, self.inputs)?)
    }
}

fn floats(storage: CpuStorage) -> Result<Vec<f32>, ModelError> {
    match storage {
        CpuStorage::F32(values) => Ok(values),
        _ => Err(ModelError::Compute {
            what: "weights were unpacked to something other than 32-bit floats".to_owned(),
        }),
    }
}
