//! What stays over crashes, and what goes for ever.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;
use vale_chat::model::{Attachment, BlobHash, Media, Part, State};
use vale_chat::rows;
use vale_host::{NewConversation, Question};

use crate::stage::{Play, World, open_store, process, read};

fn say(text: &str) -> Question {
    Question::Say(vec![Part::text(text)])
}

async fn begin(world: &World) -> vale_chat::ConversationId {
    let new = NewConversation {
        model: Some("one/m".parse().unwrap()),
        ..NewConversation::default()
    };
    world.conversations.begin(new).await.unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The folder is copied while an answer streams, as a killed process leaves it.
#[test]
fn a_process_that_dies_in_an_answer_leaves_it_interrupted_with_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let left = tempfile::tempdir().unwrap();
    let mut id = None;
    process(folder.path(), async |world| {
        let conversation = begin(&world).await;
        id = Some(conversation);
        let bell = Arc::new(Notify::new());
        world
            .player
            .put([Play::Hang(&["This much", " came"], bell.clone())]);
        let answering = world
            .conversations
            .ask(conversation, say("Go"), None)
            .await
            .unwrap();
        bell.notified().await;
        // Any other command takes the text along to the disk.
        begin(&world).await;
        copy(folder.path(), left.path());
        drop(answering);
    });
    process(left.path(), async |world| {
        assert_eq!(world.conversations.recover().await.unwrap(), 1);
        let tree = world.conversations.tree(id.unwrap()).await.unwrap();
        let answer = tree.message(tree.active_leaf().unwrap()).unwrap();
        assert_eq!(
            (answer.text().as_str(), &answer.state),
            ("This much came", &State::Interrupted)
        );
        world.player.put([Play::Say(&[", and the rest."])]);
        let goes_on = Question::Continue(answer.id);
        let mut more = world
            .conversations
            .ask(id.unwrap(), goes_on, None)
            .await
            .unwrap();
        read(&mut more).await.1.unwrap();
        let tree = world.conversations.tree(id.unwrap()).await.unwrap();
        assert_eq!(
            tree.message(more.message).unwrap().text(),
            "This much came, and the rest."
        );
        assert_eq!(world.conversations.recover().await.unwrap(), 0);
    });
}

#[test]
fn many_conversations_are_open_by_id_and_few_at_once() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let mut ids = Vec::new();
        for _ in 0..300 {
            ids.push(begin(&world).await);
        }
        for round in 0..2 {
            for (number, id) in ids.iter().enumerate() {
                let tree = world.conversations.tree(*id).await.unwrap();
                assert_eq!(
                    tree.len(),
                    if round == 1 && number % 50 == 0 { 2 } else { 0 }
                );
                if round == 0 && number % 50 == 0 {
                    world.player.put([Play::Say(&["Yes."])]);
                    let mut answering = world
                        .conversations
                        .ask(*id, say("There?"), None)
                        .await
                        .unwrap();
                    read(&mut answering).await.1.unwrap();
                }
            }
        }
        let open = world.conversations.open_now().len();
        assert!(open <= 33, "{open} are open");
    });
}

#[test]
fn a_purged_conversation_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let holds = |text: &str| {
        fn search(folder: &Path, text: &str, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    search(&path, text, found);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    if memchr::memmem::find(&bytes, text.as_bytes()).is_some() {
                        found.push(path.display().to_string());
                    }
                }
            }
        }
        let mut found = Vec::new();
        search(folder.path(), text, &mut found);
        found
    };
    process(folder.path(), async |world| {
        let (gone, stays) = (begin(&world).await, begin(&world).await);
        let store = world.conversations.store().clone();
        let file = store.blobs().put(b"the secret attachment").unwrap();
        let attachment = Attachment {
            blake3: BlobHash::new(*file.as_bytes()),
            media_type: "text/plain".to_owned(),
            name: Some("diary.txt".to_owned()),
            size: 21,
            text: None,
        };
        world.player.put([
            Play::Say(&["My secret answer"]),
            Play::Say(&["An ordinary answer"]),
        ]);
        let question = Question::Say(vec![
            Part::text("My secret question"),
            Part::File(Media::Stored(attachment)),
        ]);
        let mut answering = world.conversations.ask(gone, question, None).await.unwrap();
        read(&mut answering).await.1.unwrap();
        let mut answering = world
            .conversations
            .ask(stays, say("An ordinary question"), None)
            .await
            .unwrap();
        read(&mut answering).await.1.unwrap();
        // The gate had the file for that request only.
        assert!(world.files.0.lock().unwrap().is_empty());
        assert!(!holds("secret").is_empty());

        world.conversations.purge(gone).await.unwrap();
        assert!(world.conversations.tree(gone).await.is_err());
        assert_eq!(world.conversations.tree(stays).await.unwrap().len(), 2);
        assert!(store.read(rows::blobs_in_use).unwrap().is_empty());
    });
    for word in ["My secret", "the secret attachment", "diary.txt"] {
        assert_eq!(holds(word), Vec::<String>::new(), "{word}");
    }
    assert!(!holds("An ordinary").is_empty());
    drop(open_store(folder.path()));
}
