<%-- A WebSocket that echoes text. --%><%@
  page session="false" trimDirectiveWhitespaces="true"
%><%@ page import="jakarta.websocket.*, jakarta.websocket.server.*, java.util.Map"
%><%!
  public static class Echo extends Endpoint {
    @Override
    public void onOpen(Session session, EndpointConfig config) {
      session.addMessageHandler(String.class, text -> session.getAsyncRemote().sendText(text));
    }
  }
%><%
  ServerContainer container = (ServerContainer) application.getAttribute(ServerContainer.class.getName());
  ServerEndpointConfig endpoint = ServerEndpointConfig.Builder.create(Echo.class, "/ws").build();
  container.upgradeHttpToWebSocket(request, response, endpoint, Map.of());
%>
