package lockstep.replay.channel;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.flow.FlowControlHandler;
import io.netty.handler.flush.FlushConsolidationHandler;
import io.netty.handler.ssl.SslHandler;
import java.nio.ByteBuffer;
import java.util.Optional;
import lockstep.replay.ft.protocol.PeerCodec;
import org.jspecify.annotations.Nullable;

/** The layers of a connection: TLS if wanted, then a length before each message. */
final class PeerFrames {
  private static final int LENGTH_BYTES = 4;

  private PeerFrames() {}

  /** Sets up a fresh connection; the link goes on top. */
  static void install(Channel channel, Optional<SslHandler> tls, LoopGuard guard) {
    ChannelPipeline pipeline = channel.pipeline();
    tls.ifPresent(pipeline::addLast);
    pipeline.addLast(new Arrivals());
    pipeline.addLast(new FlushConsolidationHandler());
    pipeline.addLast(
        new LengthFieldBasedFrameDecoder(
            PeerCodec.MAX_BYTES + LENGTH_BYTES, 0, LENGTH_BYTES, 0, LENGTH_BYTES));
    // What was decoded before there is a link waits for it.
    pipeline.addLast(new FlowControlHandler());
    pipeline.addLast(new Strangers(guard));
  }

  /** Has a link told of bytes, whole messages or not: a slow wire takes seconds for a long one. */
  static void tellArrivals(ChannelPipeline pipeline, NettyLink link) {
    Arrivals arrivals = pipeline.get(Arrivals.class);
    if (arrivals != null) {
      arrivals.link = link;
    }
  }

  /** Above TLS, so that only the other side's bytes count. */
  private static final class Arrivals extends ChannelInboundHandlerAdapter {
    private @Nullable NettyLink link;
    private boolean any;

    @Override
    public void channelRead(ChannelHandlerContext context, Object received) {
      any = true;
      context.fireChannelRead(received);
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext context) {
      NettyLink now = link;
      if (any && now != null) {
        now.arrived();
      }
      any = false;
      context.fireChannelReadComplete();
    }
  }

  /** A message, its length before it. */
  static ByteBuf message(ByteBufAllocator buffers, byte[] encoded) {
    return buffers
        .directBuffer(LENGTH_BYTES + encoded.length)
        .writeInt(encoded.length)
        .writeBytes(encoded);
  }

  /** A frame of the log as a message; a copy, where the socket or TLS takes it from. */
  static ByteBuf frame(ByteBufAllocator buffers, byte[] header, ByteBuffer body) {
    int length = 1 + header.length + body.remaining();
    return buffers
        .directBuffer(LENGTH_BYTES + length)
        .writeInt(length)
        .writeByte(PeerCodec.FRAME)
        .writeBytes(header)
        .writeBytes(body);
  }

  /** Whether a message is a frame of the log. */
  static boolean isFrame(ByteBuf message) {
    return message.isReadable() && message.getByte(message.readerIndex()) == PeerCodec.FRAME;
  }

  /** Before there is a link: whoever sends what cannot be understood is left without a word. */
  private static final class Strangers extends ChannelInboundHandlerAdapter {
    private final LoopGuard guard;

    Strangers(LoopGuard guard) {
      this.guard = guard;
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // A connection that closes says so itself.
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      guard.check(cause);
      if (context.pipeline().get(NettyLink.class) == null) {
        context.close();
      } else {
        context.fireExceptionCaught(cause);
      }
    }
  }
}
