package lockstep.storage.iscsi;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What a session's thread comes to and another thread waits for. The first outcome counts. */
final class Outcome<T> {
  private final CompletableFuture<T> future = new CompletableFuture<>();

  void succeed(T value) {
    future.complete(value);
  }

  void fail(IOException why) {
    future.completeExceptionally(why);
  }

  boolean hasSucceeded() {
    return future.isDone() && !future.isCompletedExceptionally();
  }

  /**
   * Waits for it.
   *
   * @param name of what gives no answer in time, for people
   * @throws IOException why it has failed, or when there is none in time; one line
   */
  T await(int millis, String name) throws IOException {
    try {
      return future.get(millis, TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      throw new IOException(String.valueOf((cause == null ? e : cause).getMessage()), e);
    } catch (TimeoutException e) {
      throw new IOException(name + " gives no answer", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
  }
}
