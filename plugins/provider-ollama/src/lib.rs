//! Ollama's own chat API for ValeChat.
