package lockstep.replay.channel;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.codec.LengthFieldPrepender;
import io.netty.handler.flush.FlushConsolidationHandler;
import io.netty.handler.ssl.SslHandler;
import java.util.Optional;
import lockstep.replay.ft.PeerCodec;

/** The layers of a connection: TLS if wanted, then a length before each message. */
final class PeerFrames {
  private static final int LENGTH_BYTES = 4;

  private PeerFrames() {}

  /** Sets up a fresh connection; the link goes on top. */
  static void install(Channel channel, Optional<SslHandler> tls) {
    ChannelPipeline pipeline = channel.pipeline();
    tls.ifPresent(pipeline::addLast);
    pipeline.addLast(new FlushConsolidationHandler());
    pipeline.addLast(
        new LengthFieldBasedFrameDecoder(
            PeerCodec.MAX_BYTES + LENGTH_BYTES, 0, LENGTH_BYTES, 0, LENGTH_BYTES));
    pipeline.addLast(new LengthFieldPrepender(LENGTH_BYTES));
  }

  /** A frame of the log as a message, without a copy. */
  static ByteBuf frame(byte[] frame) {
    return Unpooled.wrappedBuffer(new byte[] {PeerCodec.FRAME}, frame);
  }
}
