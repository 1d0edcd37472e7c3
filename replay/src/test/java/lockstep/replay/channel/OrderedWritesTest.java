package lockstep.replay.channel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.buffer.UnpooledDirectByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollSocketChannel;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import lockstep.replay.ft.protocol.PeerCodec;
import lockstep.sys.Scheduler;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Over a real socket: what its kernel has no room for is the matter. */
@Timeout(60)
class OrderedWritesTest {
  private static final int MESSAGES = 2_000;

  /** Some fit into the socket, some never do. */
  private static final int[] SIZES = {9, 40, 3_000, 300_000};

  private static final int BUFFER_BYTES = 1 << 14;

  private final MultiThreadIoEventLoopGroup group =
      new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
  private final EventLoop loop = group.next();
  private ServerSocket server;
  private Socket reader;
  private Channel channel;
  private OrderedWrites writes;

  @BeforeEach
  void connect() throws Exception {
    assumeTrue(Epoll.isAvailable(), "no epoll transport here");
    server = new ServerSocket();
    server.setReceiveBufferSize(BUFFER_BYTES);
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    channel =
        new Bootstrap()
            .group(loop)
            .channel(EpollSocketChannel.class)
            .option(ChannelOption.SO_SNDBUF, BUFFER_BYTES)
            .handler(new ChannelInboundHandlerAdapter())
            .connect(server.getLocalSocketAddress())
            .sync()
            .channel();
    reader = server.accept();
    writes = loop.submit(() -> new OrderedWrites(channel, new LoopGuard(Scheduler.HOST))).get();
  }

  @AfterEach
  void close() throws Exception {
    if (server != null) {
      server.close();
    }
    if (reader != null) {
      reader.close();
    }
    group.shutdownGracefully(0, 2, TimeUnit.SECONDS).sync();
  }

  /** A message of a thread: its number again and again. */
  private void write(int thread, int number) {
    byte[] header = {(byte) thread};
    ByteBuffer body = ByteBuffer.allocate(SIZES[number % SIZES.length] / 4 * 4);
    while (body.hasRemaining()) {
      body.putInt(number);
    }
    writes.write(PeerFrames.frame(channel.alloc(), header, body.flip()));
  }

  private Thread writer(int thread) {
    return Thread.ofPlatform()
        .start(
            () -> {
              for (int number = 0; number < MESSAGES; number++) {
                while (!channel.isWritable()) {
                  Thread.onSpinWait();
                }
                if (thread == 0) {
                  int now = number;
                  loop.submit(() -> write(0, now)).syncUninterruptibly();
                } else {
                  write(thread, number);
                }
              }
            });
  }

  @Test
  void loopAndAnotherThreadKeepTheirOrderAndTheirMessagesWhole() throws Exception {
    Thread[] writers = {writer(0), writer(1)};
    int[] next = new int[2];
    DataInputStream in = new DataInputStream(reader.getInputStream());
    while (next[0] + next[1] < 2 * MESSAGES) {
      byte[] message = in.readNBytes(in.readInt());
      assertEquals(PeerCodec.FRAME, message[0]);
      int number = next[message[1]]++;
      ByteBuffer body = ByteBuffer.wrap(message, 2, message.length - 2);
      assertEquals(SIZES[number % SIZES.length] / 4 * 4, body.remaining());
      while (body.hasRemaining()) {
        assertEquals(number, body.getInt());
      }
    }
    for (Thread writer : writers) {
      writer.join();
    }
  }

  @Test
  void smallMessageIsInTheSocketWhenTheCallIsBack() throws Exception {
    loop.submit(
            () -> {
              write(1, 0);
              // The loop is busy with this very task, and what it was given would not have left.
              byte[] message = reader.getInputStream().readNBytes(4);
              assertEquals(10, ByteBuffer.wrap(message).getInt());
              return null;
            })
        .get();
  }

  /** A thread from which the host takes the CPU while it sends. */
  private static final class HeldMessage extends UnpooledDirectByteBuf {
    private final CountDownLatch held = new CountDownLatch(1);
    private final CountDownLatch goOn = new CountDownLatch(1);

    HeldMessage(int length) {
      super(UnpooledByteBufAllocator.DEFAULT, 4 + length, 4 + length);
      writeInt(length).writeZero(length);
    }

    @Override
    public ByteBuffer nioBuffer() {
      held.countDown();
      try {
        goOn.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return super.nioBuffer();
    }
  }

  @Test
  void loopWaitsForNoThreadThatSends() throws Exception {
    HeldMessage message = new HeldMessage(17);
    Thread vcpu = Thread.ofPlatform().start(() -> writes.write(message));
    message.held.await();
    // Comes back, which is what the test is about.
    CompletableFuture<ChannelFuture> asked = new CompletableFuture<>();
    loop.submit(
            () -> {
              write(0, 0);
              asked.complete(writes.lastWrite());
            })
        .sync();
    ChannelFuture last = asked.get();
    assertFalse(last.isDone(), "a connection would be closed before its last message has left");
    message.goOn.countDown();
    vcpu.join();
    last.sync();
    DataInputStream in = new DataInputStream(reader.getInputStream());
    assertEquals(17, in.readNBytes(in.readInt()).length);
    assertEquals(10, in.readNBytes(in.readInt()).length);
  }

  @Test
  void closedConnectionTakesNothingAndKeepsNoDescriptor() throws Exception {
    channel.close().sync();
    loop.submit(() -> {}).sync();
    assertEquals(-1, reader.getInputStream().read(), "the other side waits for the end");
    int before = descriptors();
    for (int number = 0; number < 8; number++) {
      write(1, number);
    }
    assertEquals(before, descriptors());
    assertFalse(channel.isOpen());
  }

  @Test
  void endOfTheOtherSideIsNoErrorOfTheWriter() throws Exception {
    reader.close();
    for (int number = 0; channel.isOpen(); number++) {
      write(1, number);
    }
    assertTrue(channel.closeFuture().await(10, TimeUnit.SECONDS));
  }

  private static int descriptors() throws IOException {
    try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
      return (int) open.count();
    }
  }
}
