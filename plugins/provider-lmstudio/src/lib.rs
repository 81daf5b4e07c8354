//! LM Studio for ValeChat.
