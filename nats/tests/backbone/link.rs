//! A slow network between a client and its server.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpSocket, TcpStream, tcp},
};

/// Small, so that what is not through yet waits with the sender.
const WINDOW: u32 = 32 * 1024;

/// Lets one connection through to a port of loopback, about 10 MB/s in that direction; returns
/// where to connect.
pub(crate) fn slow_link(to: u16) -> u16 {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(WINDOW).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
        let ((mut heard, mut said), (mut back, forth)) = (near.into_split(), far.into_split());
        tokio::spawn(async move { copy(&mut back, &mut said).await });
        drip(&mut heard, forth).await;
    });
    port
}

async fn drip(from: &mut tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(Duration::from_millis(2)).await; // what makes it slow
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
