package lockstep.monitor.device.virtio;

/** What stands behind the transport: a device of one kind. */
interface VirtioFunction {
  /** One byte of the device's configuration, 0..255; 0 beyond its end. */
  int configByte(int offset);

  /** The driver says that a queue has new buffers. The device is live. */
  void notified(int queue);

  /** The device or one of its queues was reset: no buffer taken before may be touched again. */
  void queueLost(int queue);
}
